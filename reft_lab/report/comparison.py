"""The settings of a study, whose runs differ in nothing but the seed, and how sure the differences between them are."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reft_lab.analysis import statistics
from reft_lab.analysis.found import FINISHED
from reft_lab.analysis.problems import Answered, paired
from reft_lab.analysis.statistics import Mean
from reft_lab.config.wording import shown
from reft_lab.errors import BadInput

if TYPE_CHECKING:
    from pandas import DataFrame

DEV, TEST = "final_dev_accuracy", "final_test_accuracy"
Right = Callable[[str], Answered]
WORDS = 60  # characters of a label


@dataclass(frozen=True)
class Group:
    """The runs of one setting.

    Attributes:
        number: its place, from 0; in the order of the runs.
        values: what is particular to it, as one writes it, by option; empty where nothing differs.
        rows: rows of `Runs.table`, in its order.
    """

    number: int
    values: Mapping[str, str]
    rows: tuple[Mapping[str, Any], ...]

    @property
    def label(self) -> str:
        """Its values in words, short enough for a legend."""
        text = ", ".join(f"{option}={value}" for option, value in self.values.items()) or "all runs"
        return text if len(text) <= WORDS else f"{self.number}: {text[: WORDS - 5]}…"

    @property
    def value(self) -> float | str:
        """The number that it gives to the one option in which settings differ; its label where that is not so."""
        with suppress(ValueError):
            (only,) = self.values.values()
            return float(only)
        return self.label

    def by_seed(self, column: str) -> dict[Any, float]:
        """A result of its finished runs by seed; the mean of runs with the same seed."""
        found: dict[Any, list[float]] = {}
        for row in self.rows:
            if row["state"] == FINISHED and not math.isnan(row[column]):
                found.setdefault(row["seed"], []).append(float(row[column]))
        return {seed: sum(values) / len(values) for seed, values in found.items()}


def groups_of(table: DataFrame) -> list[Group]:
    """The settings of the runs in a table, in the order of their first runs.

    A run whose config cannot be read is of no setting, unless none can be read.

    Args:
        table: `Runs.table`, without the runs that confirm a search.
    """
    from reft_lab.analysis.schema import CONFIG
    from reft_lab.analysis.settings import differing

    readable = table[table["config.seed"].notna()] if "config.seed" in table.columns else table
    table = table if readable.empty else readable
    options = differing(table)
    found: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in table.to_dict("records"):
        found.setdefault(tuple(_text(row[CONFIG + option]) for option in options), []).append(row)
    return [
        Group(number, dict(zip(options, values, strict=True)), tuple(rows))
        for number, (values, rows) in enumerate(found.items())
    ]


def base_of(groups: list[Group], default: Mapping[str, Any]) -> tuple[Group, str]:
    """The setting that others are compared with, and why it is this one.

    Args:
        groups: the settings, at least one.
        default: the default experiment, flat.
    """
    for group in groups:
        if group.values and all(shown(default.get(option)) == value for option, value in group.values.items()):
            return group, "the default"
    return groups[0], "the first"


def _text(value: Any) -> str:
    if isinstance(value, float) and math.isnan(value):
        return "null"  # what a table has for both null and nothing
    return shown(int(value)) if isinstance(value, float) and value.is_integer() else shown(value)


@dataclass(frozen=True)
class Change:
    """A setting against the base, on the test split.

    Attributes:
        difference, low, high: fractions; low and high are the 95 % interval, nan where there is none.
        p: two-sided; nan where it cannot be told.
        p_holm: p, corrected for there being several settings.
        seeds: that both have.
        basis: what the interval is over, in words.
    """

    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    seeds: int
    basis: str

    @property
    def counts(self) -> bool:
        """Whether seeds tell it from chance, after the correction; one seed never does."""
        return self.seeds > 1 and self.p_holm < 0.05


@dataclass(frozen=True)
class Compared:
    """One row of the comparison.

    Attributes:
        group: the setting.
        states: runs by state.
        dev, test: means over seeds; None where no run finished with one.
        single: 95 % interval of the only run there is, over problems; None where there are several, or none.
        change: against the base; None for the base itself, and where it cannot be told.
    """

    group: Group
    states: Mapping[str, int]
    dev: Mean | None
    test: Mean | None
    single: tuple[float, float] | None
    change: Change | None


def compare(groups: Sequence[Group], base: Group, right: Right) -> list[Compared]:
    """The rows of the comparison, in the order of the groups.

    Where base and setting share two seeds or more, the difference is paired over seeds (Student's t); where they share
    one, over its test problems (bootstrap and exact McNemar), unless they were asked other questions.

    Args:
        groups: the settings.
        base: the one that others are compared with.
        right: reads which test questions a run answered right, by id of the run.
    """
    rows = [_row(group, None if group is base else _change(group, base, right)) for group in groups]
    adjusted = statistics.holm([row.change.p if row.change else math.nan for row in rows])
    return [
        replace(row, change=replace(row.change, p_holm=p)) if row.change else row
        for row, p in zip(rows, adjusted, strict=True)
    ]


def _row(group: Group, change: Change | None) -> Compared:
    states: dict[str, int] = {}
    for row in group.rows:
        states[row["state"]] = states.get(row["state"], 0) + 1
    test = group.by_seed(TEST)
    single = None
    if len(test) == 1:
        row = next(row for row in group.rows if row["seed"] in test and not math.isnan(row[TEST]))
        single = (row["final_test_low"], row["final_test_high"])
    return Compared(group, states, _mean(group.by_seed(DEV)), _mean(test), single, change)


def _mean(values: Mapping[Any, float]) -> Mean | None:
    return statistics.mean_over_seeds(list(values.values())) if values else None


def _change(group: Group, base: Group, right: Right) -> Change | None:
    ours, theirs = statistics.common(group.by_seed(TEST), base.by_seed(TEST))
    if len(ours) > 1:
        found = statistics.paired_difference(ours, theirs)
        p = statistics.p_of_mean(found)
        return Change(found.mean, found.low, found.high, p, math.nan, found.n, f"{found.n} seeds")
    if not ours:
        return None
    (seed,) = [seed for seed in group.by_seed(TEST) if seed in base.by_seed(TEST)]
    answers = [right(_run(each, seed)) for each in (group, base)]
    basis = "other test questions" if all(each.right for each in answers) else "no predictions"
    try:
        mine, others = paired(*answers)
    except BadInput:
        mine, others = [], []
    if not mine:
        return Change(ours[0] - theirs[0], math.nan, math.nan, math.nan, math.nan, 1, basis)
    each = statistics.compare_problems(mine, others)
    return Change(each.difference, each.low, each.high, each.p, math.nan, 1, f"{each.n} problems")


def _run(group: Group, seed: Any) -> str:
    return next(str(row["run"]) for row in group.rows if row["seed"] == seed and not math.isnan(row[TEST]))
