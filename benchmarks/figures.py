"""A figure of the benchmark: two sides, their ratio, the goal; as a table, as JSON, and next to a stored baseline."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clock import Turn

TOLERANCE = 0.15
"""Share of the baseline's ratio that may be lost before `check` complains."""

HEAD = ("figure", "unit", "reft_lab", "peer", "the peer is", "ratio", "ratio by wall clock", "goal")
MARK = "<!-- measured -->"
"""Stands before and after the table on a page of the documentation."""


@dataclass(frozen=True)
class Spread:
    """Median, lowest and highest of some turns."""

    median: float
    low: float
    high: float
    turns: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of `values`, at least one."""
        return cls(statistics.median(values), min(values), max(values), len(values))

    def __str__(self) -> str:
        if self.turns == 1:
            return _number(self.median)
        return f"{_number(self.median)} ({_number(self.low)} to {_number(self.high)})"


@dataclass(frozen=True)
class Figure:
    """One row of the table.

    Attributes:
        name: what is measured; unique.
        unit: of `ours` and `theirs`.
        ours: reft_lab, by CPU time where time is in it.
        peer: what it is compared with.
        theirs: the peer, in the same unit.
        ratio: of neighbouring turns, above 1 where reft_lab is better; the share itself for a share.
        ratio_wall: the same by wall clock, None where time is not in it.
        goal: the ratio that was aimed at, None where there is none.
    """

    name: str
    unit: str
    ours: Spread
    peer: str
    theirs: Spread
    ratio: Spread
    ratio_wall: Spread | None = None
    goal: float | None = None

    def cells(self) -> tuple[str, ...]:
        """The row of the table, see HEAD."""
        wall = "" if self.ratio_wall is None else str(self.ratio_wall)
        goal = "" if self.goal is None else f"{self.goal:g} {'reached' if self.ratio.median >= self.goal else 'missed'}"
        return (self.name, self.unit, str(self.ours), str(self.theirs), self.peer, str(self.ratio), wall, goal)


def rates(
    name: str, unit: str, ours: Sequence[Turn], peer: str, theirs: Sequence[Turn], goal: float | None = None
) -> Figure:
    """A figure of work per CPU second."""

    def by(seconds: Callable[[Turn], float], turns: Sequence[Turn]) -> list[float]:
        return [turn.work / seconds(turn) for turn in turns]

    def cpu(turn: Turn) -> float:
        return turn.cpu

    def wall(turn: Turn) -> float:
        return turn.wall

    return Figure(
        name,
        f"{unit} a CPU second",
        Spread.of(by(cpu, ours)),
        peer,
        Spread.of(by(cpu, theirs)),
        Spread.of(_quotients(by(cpu, ours), by(cpu, theirs))),
        Spread.of(_quotients(by(wall, ours), by(wall, theirs))),
        goal,
    )


def costs(
    name: str, unit: str, ours: Sequence[float], peer: str, theirs: Sequence[float], goal: float | None
) -> Figure:
    """A figure of something that should be low, such as memory."""
    ratio = Spread.of(_quotients(theirs, ours))
    return Figure(name, unit, Spread.of(ours), peer, Spread.of(theirs), ratio, goal=goal)


def markdown(figures: Sequence[Figure]) -> str:
    """All figures as one Markdown table."""
    rows = [HEAD, ("---",) * len(HEAD), *(figure.cells() for figure in figures)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def put(page: Path, figures: Sequence[Figure]) -> None:
    """Renew the table on a page: what stands between its two marks."""
    before, _, after = page.read_text(encoding="utf-8").split(MARK)
    page.write_text(f"{before}{MARK}\n{markdown(figures)}\n{MARK}{after}", encoding="utf-8")


@dataclass(frozen=True)
class Results:
    """What is stored.

    Attributes:
        machine: what the newest of the figures were measured on.
        quick: whether those were measured in a hurry.
        figures: the figures.
    """

    machine: dict[str, Any]
    quick: bool
    figures: list[Figure]

    @classmethod
    def read(cls, path: Path) -> Results:
        """What was stored, nothing where nothing was."""
        if not path.exists():
            return cls({}, False, [])
        stored = json.loads(path.read_text(encoding="utf-8"))
        return cls(stored["machine"], stored["quick"], [_figure(record) for record in stored["figures"]])

    def write(self, path: Path) -> None:
        """Store them."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    def renewed(self, newer: Results) -> Results:
        """`newer`, and of `self` the figures that it does not have, so that a benchmark can be run alone."""
        by_name = {figure.name: figure for figure in (*self.figures, *newer.figures)}
        return Results(newer.machine, newer.quick, list(by_name.values()))


def _figure(record: dict[str, Any]) -> Figure:
    spreads = {
        field: Spread(**record[field])
        for field in ("ours", "theirs", "ratio", "ratio_wall")
        if record[field] is not None
    }
    return Figure(**(record | spreads))


def drops(figures: Sequence[Figure], baseline: Sequence[Figure]) -> dict[str, str]:
    """By name, one sentence for each figure whose ratio fell by more than TOLERANCE below the baseline's."""
    stored = {figure.name: figure.ratio.median for figure in baseline}
    sentences = {}
    for figure in figures:
        now, before = figure.ratio.median, stored.get(figure.name, 0.0)
        if now < before * (1 - TOLERANCE):
            sentences[figure.name] = (
                f"{figure.name}: the ratio is {_number(now)}, {100 * (1 - now / before):.0f} % below the baseline's "
                f"{_number(before)}."
            )
    return sentences


def _quotients(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def _number(value: float) -> str:
    """Three digits that count, no exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
