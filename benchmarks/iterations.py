"""Whole ReFT iterations, in samples per second: reft_lab, the paper's loop, and TRL.

Each side is a process of its own with one torch thread; they take turns of one iteration. CPU seconds include the
processes that run programs.

On the default model all sides do PPO with a critic, TRL in its last version that could. On any other, TRL's newest does
GRPO, and so does reft_lab: the same number of samples of as many questions, one pass over them, group credit.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import trl_environment
import workloads
from clock import Turn
from figures import Figure, rates
from turns import Side, alternate


@dataclass(frozen=True)
class Peer:
    """What reft_lab is compared with.

    Attributes:
        title: what the table calls it.
        words: what its figure is called on the default model.
        script: its side.
        goal: the ratio to reach.
        trl: version of TRL, in whose environment it runs; None: in ours.
        overrides: what reft_lab is told to do the same.
    """

    title: str
    words: str
    script: str
    goal: float
    trl: str | None = None
    overrides: tuple[str, ...] = ()


LOOP = "plain rendering of the paper's loop"
PLAIN = Peer(LOOP, "next to the paper's loop", "plain_loop.py", 3.0)
PPO = Peer("TRL 1.12 PPOTrainer", "next to TRL", "trl_loop.py", 5.0, trl_environment.WITH_PPO)
SHAPED = (
    Peer(LOOP, "next to the paper's loop", "plain_loop.py", 2.0),
    Peer("TRL 1.16 GRPOTrainer", "GRPO next to TRL", "trl_grpo.py", 2.0, trl_environment.NEWEST, ("method=grpo",)),
)


def measure(
    folder: Path, quick: bool, say: Callable[[str], None], shape: str | None = None, precision: str = "fp32"
) -> list[Figure]:
    """A figure for each peer; that of TRL is left out, and this said, where its environment cannot be made."""
    if shape is None:
        turns = _turns("tiny", (PLAIN, PPO), folder, 3 if quick else 15, say)
        ours = turns.pop("reft_lab")
        return [
            rates(f"iterations, {peer.words}", "samples", ours, peer.title, turns[peer.title], peer.goal)
            for peer in (PLAIN, PPO)
            if peer.title in turns
        ]
    figures = []
    for peer in SHAPED:  # not all at once, since each process may take some GiB
        turns = _turns(shape, (peer,), folder, 1 if quick else 3, say, precision)
        if peer.title in turns:
            name = workloads.title(f"iterations, {peer.words}", shape, precision)
            figures.append(rates(name, "samples", turns["reft_lab"], peer.title, turns[peer.title], peer.goal))
    return figures


def _turns(
    name: str, peers: tuple[Peer, ...], folder: Path, rounds: int, say: Callable[[str], None], precision: str = "fp32"
) -> dict[str, list[Turn]]:
    """Turns of reft_lab and of some peers that do the same, by their titles."""
    place = str(workloads.ready(name, folder, say))
    found = {peer: _python(peer, say) for peer in peers}
    there = {peer: python for peer, python in found.items() if python is not None}
    if not there:
        return {}
    say("starting the sides")
    with contextlib.ExitStack() as stack:
        ours = Side("ours.py", place, f"trainer.precision={precision}", *peers[0].overrides)
        sides = {"reft_lab": stack.enter_context(ours)}
        for peer, python in there.items():
            side = Side(peer.script, place, *(() if precision == "fp32" else (precision,)), python=python)
            sides[peer.title] = stack.enter_context(side)
        return alternate({title: side.turn for title, side in sides.items()}, rounds, say)


def _python(peer: Peer, say: Callable[[str], None]) -> str | None:
    """The interpreter of a peer; None where it cannot be had."""
    if peer.trl is None:
        return sys.executable
    try:
        return trl_environment.python(say, peer.trl)
    except RuntimeError as error:
        say(f"without TRL: {error}")
        return None
