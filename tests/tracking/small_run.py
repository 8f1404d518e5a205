"""A process that records as a run does: a line a step, a state now and then, and on resumption from the last state.

Arguments: the run directory, the W&B mode or the name of another tracker, the steps to take, the seconds a step takes.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing
from pathlib import Path

from reft_lab.config.running import TrackerConfig
from reft_lab.config.schema import Config
from reft_lab.run_dir.directory import RunDirectory
from reft_lab.tracking.display import Display
from reft_lab.tracking.tracker import Tracker

STATE_EVERY = 7
SAMPLES_EVERY = 10


def main(path: Path, mode: str, steps: int, pause: float) -> None:
    """Go on from where the run in `path` stands, or begin one."""
    state = path / "state.json"
    resume = (path / "config.yaml").exists()
    others = {"wandb": "disabled", mode: True} if mode in ("trackio", "tensorboard") else {"wandb": mode}
    config = Config(tracker=TrackerConfig(**others, connect_timeout=5))
    with closing(RunDirectory(path, resume=resume)) as directory:
        at = json.loads(state.read_text()) if state.exists() else {"step": 0, "seconds": 0.0}
        directory.rewind(at["step"])
        directory.write_config(config)
        tracker = Tracker(config, directory, Display(), **at)
        print("ready", flush=True)
        for step in range(at["step"] + 1, steps + 1):
            asked = [f"what is {step} + {i}?" for i in range(2)] if step % SAMPLES_EVERY == 0 else []
            samples = [{"question": question, "reward": 0.5, "tokens": {"text": ["4"]}} for question in asked]
            tracker.log(step, {"loss": 1 / step, "eval/accuracy": 1 - (step / steps - 0.5) ** 2}, samples)
            if step % STATE_EVERY == 0:
                directory.sync()
                part = path / "state.part"
                part.write_text(json.dumps({"step": step, "seconds": tracker.elapsed}))
                part.replace(state)
            time.sleep(pause)
        tracker.finish({"status": "finished"}, exit_code=0)
        directory.write_result({"status": "finished"})


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
