"""Memory of an iteration at a vocabulary of 32,000 and more: its peak above what the process held before, in MiB.

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


def measure(
    folder: Path, quick: bool, say: Callable[[str], None], shape: str | None = None, precision: str = "fp32"
) -> list[Figure]:
    """A figure for each model, in a hurry for the small one only; or for that of a shape."""
    if shape is not None:
        place = str(workloads.ready(shape, folder, say))
        return [_measure(shape, place, 1 if quick else 2, say, precision, goal=None)]
    names = CASES[:1] if quick else CASES
    return [_measure(name, str(workloads.ready(name, folder, say)), 2 if quick else 3, say) for name in names]


def _measure(
    name: str,
    place: str,
    rounds: int,
    say: Callable[[str], None],
    precision: str = "fp32",
    goal: float | None = 6.0,
) -> Figure:
    say(f"{name}: starting the sides")
    with (
        Side("ours.py", place, f"trainer.precision={precision}", "--memory") as ours,
        Side("plain_loop.py", place, precision, "--memory") as theirs,
    ):
        turns = alternate({"reft_lab": ours.turn, PEER: theirs.turn}, rounds, say)
    extra = {side: [turn.extra for turn in taken] for side, taken in turns.items()}
    return costs(
        workloads.title("memory above baseline", name, precision), "MiB", extra["reft_lab"], PEER, extra[PEER], goal
    )
