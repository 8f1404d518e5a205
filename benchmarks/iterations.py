"""Whole ReFT iterations with the default settings, in samples per second: reft_lab, the paper's loop, and TRL.

Each side is a process of its own with one torch thread; they take turns of one iteration. CPU seconds include the
processes that run programs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import trl_environment
import workloads
from figures import Figure, rates
from turns import Side, alternate

PLAIN = "plain rendering of the paper's loop"
TRL = "TRL 1.12 PPOTrainer"


def measure(folder: Path, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    """A figure for each peer; that of TRL is left out, and this said, where its environment cannot be made."""
    place = str(workloads.ready("tiny", folder, say))
    try:
        python: str | None = trl_environment.python(say, trl_environment.WITH_PPO)
    except RuntimeError as error:
        say(f"without TRL: {error}")
        python = None
    say("starting the sides")
    with contextlib.ExitStack() as stack:
        sides = {"reft_lab": stack.enter_context(Side("ours.py", place))}
        sides[PLAIN] = stack.enter_context(Side("plain_loop.py", place))
        if python is not None:
            sides[TRL] = stack.enter_context(Side("trl_loop.py", place, python=python))
        takes = {name: side.turn for name, side in sides.items()}
        turns = alternate(takes, 3 if quick else 15, say)
    ours = turns.pop("reft_lab")
    goals = {PLAIN: 3.0, TRL: 5.0}
    names = {PLAIN: "iterations, next to the paper's loop", TRL: "iterations, next to TRL"}
    return [rates(names[peer], "samples", ours, peer, theirs, goals[peer]) for peer, theirs in turns.items()]
