"""A run whose processes somebody else has started: torchrun, or Slurm's srun.

All of them were given one command line. The one that leads composes it and tells the others, which never run Hydra,
what to do; each run of a multirun is told in turn.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reft_lab.command.order import Order
from reft_lab.config.schema import Config
from reft_lab.errors import BadInput, Interrupted
from reft_lab.ranks import Ranks
from reft_lab.ranks.start import Start
from reft_lab.signals import stop_signals


def check_size(start: Start, config: Config) -> None:
    """Raise BadInput where a run asks for another number of processes than were started."""
    size, devices, by = start.size, config.trainer.devices, start.by
    if devices != size:
        there = "1 process" if size == 1 else f"{size} processes"
        raise BadInput(
            f"{by} has started {there}, and trainer.devices={devices} asks for {devices}; give "
            f"trainer.devices={size} to use {'it' if size == 1 else 'them'}, or leave {by} out: python run.py "
            f"trainer.devices={devices} starts as many itself."
        )


class Orders:
    """Runs that all ranks do together."""

    def __init__(self, ranks: Ranks, start: Start):
        self._ranks, self._start = ranks, start
        self._is_at_work = False

    def give(self, config: Config, directory: Path, changes: list[str] | None = None) -> float:
        """Let all ranks do a run; for the one that leads.

        Raises:
            BadInput: it asks for another number of processes than there are.
        """
        check_size(self._start, config)
        order = Order(config, directory, changes)
        self._is_at_work = True
        value = self._ranks.agreed(lambda: order).carry_out(self._ranks)
        self._is_at_work = False
        return value

    def follow(self) -> None:
        """Do what the one that leads says, until it says that there is no more."""
        while (order := self._ranks.agreed(lambda: None)) is not None:
            try:
                order.carry_out(self._ranks)
            except Interrupted:  # which the one that leads tells of
                return

    def end(self) -> None:
        """Say that there is no more; for the one that leads. In the middle of a run nobody would hear it."""
        if not self._is_at_work:
            self._ranks.agreed(lambda: None)


@contextmanager
def joined(start: Start) -> Iterator[Orders]:
    """The orders of processes that were started together, this one among them."""
    from reft_lab.ranks.group import connect, disconnect

    if start.rank:
        for number in stop_signals():  # until a run is at work: the one that leads says that it was interrupted
            signal.signal(number, signal.SIG_DFL)
    orders = Orders(connect(start), start)
    try:
        yield orders
    finally:
        if start.rank == 0:
            orders.end()
        disconnect()  # in any case: torch's threads, left alone, would abort a process that ends with its sentence said
