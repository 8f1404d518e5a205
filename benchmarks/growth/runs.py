"""What starting a run costs with many earlier ones on disk, all in the folder of today.

Nine of ten are finished; the others, of another seed, were stopped.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from datetime import date
from pathlib import Path

from .axis import Axis, Panel, Probe

REPO = Path(__file__).resolve().parents[2]
SHORTEST = ("debug=quick", "tracker.wandb=disabled", "baseline=null", "data.train_size=16", "ppo.iterations=0")


def write_runs(folder: Path, count: int) -> None:
    """`count` runs of the default experiment in `folder`/outputs/TODAY, without what they learned."""
    from omegaconf import OmegaConf

    from reft_lab.compose.conf import compose

    finished, stopped = compose(), compose("seed=1")
    configs = {True: OmegaConf.to_yaml(finished), False: OmegaConf.to_yaml(stopped)}
    result = json.dumps({"status": "finished", "reason": None, "name": finished.name}, indent=2) + "\n"
    for number in range(count):
        clock = f"{number // 3600:02}-{number // 60 % 60:02}-{number % 60:02}"
        run = folder / "outputs" / date.today().isoformat() / f"{clock}-{finished.name}"
        run.mkdir(parents=True)
        is_finished = number % 10 > 0
        (run / "config.yaml").write_text(configs[is_finished])
        (run / "metrics.jsonl").touch()
        if is_finished:
            (run / "result.json").write_text(result)


@contextmanager
def open_axis(sizes: tuple[int, ...]) -> Iterator[dict[int, Probe]]:
    """A probe for each size, in a folder of its own with so many runs."""
    with tempfile.TemporaryDirectory() as scratch:
        probes: dict[int, Probe] = {}
        for size in sizes:
            folder = Path(scratch) / str(size)
            write_runs(folder, size)
            probes[size] = lambda folder=folder: _probe(folder)  # type: ignore[misc]
        yield probes


def _probe(folder: Path) -> dict[str, float]:
    from reft_lab.command.run_folder import claim
    from reft_lab.command.unfinished import unfinished
    from reft_lab.compose.conf import Conf, register_schema

    register_schema()
    with chdir(folder):
        composed = Conf().compose([])
        before = time.process_time()
        found = unfinished(composed)
        looked = time.process_time()
        folder_of_run, _ = claim(composed, [])
        claimed = time.process_time()
        if found is not None:
            raise SystemExit(f"{folder} holds a run to go on with; there should be none.")
        folder_of_run.rmdir()
        return {
            "claiming a folder": claimed - looked,
            "resume=auto, nothing to resume": looked - before,
            "shortest run": _run(*SHORTEST),
        }


def _run(*overrides: str) -> float:
    """CPU seconds of `python run.py`, its helpers included."""
    from clock import timed

    command = [sys.executable, str(REPO / "run.py"), *overrides]
    return timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL).returncode).cpu


RUNS = Axis(
    "runs",
    "runs on disk",
    (1, 10, 100, 1_000, 10_000),
    (1, 100, 1_000),
    (Panel("starting", "s", ("claiming a folder", "resume=auto, nothing to resume", "shortest run")),),
    open_axis,
)
