"""A process that records as a run does, a step at a time, with its bar and its samples; it imports no torch.

Arguments: the run directory, the steps there are to be, the one after which it waits for a file `go` beside its
directory, the seconds of a step.
"""

from __future__ import annotations

import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from reft_lab.config.running import TrackerConfig
from reft_lab.config.schema import Config
from reft_lab.run_dir.directory import RunDirectory
from reft_lab.tracking.display import Silence
from reft_lab.tracking.tracker import Tracker

NASTY = "\x1b[2J\x1b]0;title\x07 Kate\tgave 语言 them  away,\nso total = " + "x" * 300


def main(path: Path, total: int, wait_after: int, pause: float) -> None:
    """Record."""
    config, display = Config(name="growing", seed=7, tracker=TrackerConfig(wandb="disabled")), Silence()
    with closing(RunDirectory(path)) as directory, display.kept_in(directory.log, directory.progress):
        hardware = {"host": "here"}
        directory.write_passport({"started": datetime.now(UTC).isoformat(), "hardware": hardware})
        directory.write_config(config)
        tracker = Tracker(config, directory, display)
        with display.stage("ReFT", total, "iterations") as bar:
            for step in range(1, total + 1):
                while step > wait_after and not (path.parent / "go").exists():
                    time.sleep(pause)
                time.sleep(pause)
                reward = step / total
                metrics = {"rollout/reward": reward, "rollout/length": 30.5, "ppo/kl_ref": 0.01 * step}
                metrics |= {"rollout/outcome/correct": reward, "rollout/outcome/wrong": 1 - reward}
                metrics |= {"eval/accuracy": 0.5, "alarm/kl": float(step == 2), "alarm/entropy": float(step > 2)}
                asked = {"id": "p", "question": f"What is {step} + 1?", "response": NASTY, "answer": "2", "gold": "2"}
                tracker.log(step, metrics, [asked | {"outcome": "correct", "reward": reward}])
                bar.update(step, reward=reward, dev=0.5)
        score = {"accuracy": 0.5, "n": 10, "ci95": [0.2, 0.8]}
        final = {"warmup": None, "final": {"dev": score, "test": score}, "selection": "dev", "seconds": {"total": 3.0}}
        directory.write_result({"status": "finished", "reason": None, "method": "reft", **final})


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
