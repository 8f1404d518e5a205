"""Memory of an iteration at a vocabulary of 32,000: its peak above what the process held before, in MiB.

Each side is a process of its own. Before the first measured iteration each did one, so weights, the reference and the
optimiser's state are in what was held; gradients are not.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import workloads
from figures import Figure, costs
from turns import Side, alternate

CASES = ("tiny-32k", "llama-30m-paper", "llama-30m-in-parts")
PEER = "plain rendering of the paper's loop"


def measure(folder: Path, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    """A figure for each model; in a hurry for the small one only."""
    names = CASES[:1] if quick else CASES
    return [_measure(name, str(workloads.ready(name, folder, say)), quick, say) for name in names]


def _measure(name: str, place: str, quick: bool, say: Callable[[str], None]) -> Figure:
    say(f"{name}: starting the sides")
    with Side("ours.py", place, "--memory") as ours, Side("plain_loop.py", place, "--memory") as theirs:
        turns = alternate({"reft_lab": ours.turn, PEER: theirs.turn}, 2 if quick else 3, say)
    extra = {side: [turn.extra for turn in taken] for side, taken in turns.items()}
    title = f"memory above baseline: {workloads.WORKLOADS[name].title}"
    return costs(title, "MiB", extra["reft_lab"], PEER, extra[PEER], 6.0)
