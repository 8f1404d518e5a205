"""How long one waits for `run.py`, next to what a bare `import torch, transformers` takes on this machine."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from clock import Turn
from figures import Figure, Spread
from turns import alternate

REPO = Path(__file__).resolve().parent.parent
RUN = [sys.executable, str(REPO / "run.py")]
IMPORTS = [sys.executable, "-c", "import torch, transformers; transformers.LlamaForCausalLM"]
COMMANDS = {
    "run.py --help": [*RUN, "--help"],
    "run.py --cfg job": [*RUN, "--cfg", "job"],
    "run.py with bad input": [*RUN, "ppo.lr=-1"],
}
FIRST_STEP = "run.py to the first training step"


def measure(folder: Path, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    """A figure for each command, in seconds of wall clock."""
    del folder
    sides: dict[str, Callable[[], Turn]] = {"import": partial(ended, IMPORTS), FIRST_STEP: first_step}
    sides |= {name: partial(ended, command) for name, command in COMMANDS.items()}
    turns = alternate(sides, 3 if quick else 7, say)
    bare = turns.pop("import")
    figures = []
    for name in (*COMMANDS, FIRST_STEP):
        ours = turns[name]
        figures.append(
            Figure(
                f"start-up: {name}",
                "s of wall clock",
                Spread.of([turn.wall for turn in ours]),
                "bare import of torch and transformers",
                Spread.of([turn.wall for turn in bare]),
                Spread.of([theirs.cpu / mine.cpu for mine, theirs in zip(ours, bare, strict=True)]),
                Spread.of([theirs.wall / mine.wall for mine, theirs in zip(ours, bare, strict=True)]),
            )
        )
    return figures


def ended(command: list[str]) -> Turn:
    """A command from start to end."""
    cpu, wall = _children(), time.perf_counter()
    subprocess.run(command, capture_output=True, cwd=tempfile.gettempdir(), check=False, timeout=300)
    return Turn(1, _children() - cpu, time.perf_counter() - wall)


def first_step() -> Turn:
    """The default experiment until its first line of metrics; then it is killed, with the processes it started.

    CPU seconds are those until it was gone, hardly more.
    """
    with tempfile.TemporaryDirectory() as folder:
        metrics = Path(folder) / "run" / "metrics.jsonl"
        command = [*RUN, "baseline=null", "tracker=none", f"hydra.run.dir={metrics.parent}"]
        cpu, wall = _children(), time.perf_counter()
        running = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, start_new_session=True
        )
        try:
            while not (metrics.exists() and metrics.stat().st_size):
                if running.poll() is not None:
                    raise RuntimeError(f"run.py ended with code {running.returncode} before its first step")
                time.sleep(0.005)
            waited = time.perf_counter() - wall
        finally:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    return Turn(1, _children() - cpu, waited)


def _children() -> float:
    ended_so_far = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended_so_far.ru_utime + ended_so_far.ru_stime
