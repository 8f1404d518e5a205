"""What it costs a default run that it can be resumed: its checkpoints, next to the same run with none on the way."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from clock import Turn
from figures import Figure, Spread, costs
from turns import alternate

REPO = Path(__file__).resolve().parent.parent
ALONE = ("baseline=null", "tracker=none")
NEVER = "checkpoint.every=100000"  # at the ends of the stages only
GOAL = 0.97


def measure(folder: Path, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    """Two figures: the CPU seconds of both, and the share of the wall clock that checkpoints leave by their own watch.

    The first one holds everything that checkpoints bring with them, and the noise of two whole runs; the second one
    is exact.
    """
    del folder
    options = (*ALONE, "debug=quick") if quick else ALONE
    left: list[float] = []
    sides = {"checkpoints": partial(_run, left, *options), "none": partial(_run, [], *options, NEVER)}
    turns = alternate(sides, 3, say)
    ours, theirs = ([turn.cpu for turn in turns[name]] for name in sides)
    share = Spread.of(left)
    return [
        costs("default run", "CPU s", ours, "the same without checkpoints on the way", theirs, GOAL),
        Figure("default run: time that is not spent on checkpoints", "share", share, "all", _ONE, share, goal=GOAL),
    ]


_ONE = Spread.of([1.0])


def _run(left: list[float], *options: str) -> Turn:
    """A whole run; adds the share of its time that did not go into checkpoints to `left`."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(REPO / "run.py"), f"hydra.run.dir={folder}/run", *options]
        cpu, wall = _children(), time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, cwd=folder, check=True)
        turn = Turn(1, _children() - cpu, time.perf_counter() - wall)
        seconds = json.loads((Path(folder) / "run" / "result.json").read_text(encoding="utf-8"))["seconds"]
    left.append(1 - seconds["checkpoints"] / seconds["total"])
    return turn


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
