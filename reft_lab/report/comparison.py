"""The settings of a study, whose runs differ in nothing but the seed, and how sure the differences between them are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from reft_lab.analysis import statistics
from reft_lab.analysis.found import FINISHED
from reft_lab.analysis.problems import Answered, paired
from reft_lab.analysis.statistics import Mean
from reft_lab.config.wording import shown
from reft_lab.errors import BadInput
from reft_lab.methods.base import Cost
from reft_lab.numbers import duration, short

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

    def tested(self, seed: Any) -> Mapping[str, Any]:
        """Its first run with this seed that has a test accuracy."""
        return next(row for row in self.rows if row["seed"] in {seed} and not math.isnan(row[TEST]))


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
        seeds: that both have.
        basis: what the interval is over, in words.
        p: two-sided; nan where it cannot be told.
        p_holm: p, corrected for there being several settings.
    """

    difference: float
    seeds: int
    basis: str
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    p_holm: float = math.nan

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
        cost: what training took, in words, by what is counted; the mean of finished runs. Empty where none says so.
    """

    group: Group
    states: Mapping[str, int]
    dev: Mean | None
    test: Mean | None
    single: tuple[float, float] | None
    change: Change | None
    cost: Mapping[str, str]


def compare(groups: Sequence[Group], base: Group, right: Right) -> list[Compared]:
    """The rows of the comparison, in the order of the groups.

    Where base and setting share two seeds or more, the difference is paired over seeds (Student's t); where they share
    one, over its test problems (bootstrap and exact McNemar), unless they were asked other questions.

    Args:
        groups: the settings.
        base: the one that others are compared with.
        right: reads which test questions a run answered right, by id of the run.
    """
    changes = [None if group is base else _change(group, base, right) for group in groups]
    adjusted = statistics.holm([change.p if change else math.nan for change in changes])
    return [
        _row(group, change and replace(change, p_holm=p))
        for group, change, p in zip(groups, changes, adjusted, strict=True)
    ]


def _row(group: Group, change: Change | None) -> Compared:
    test, single = group.by_seed(TEST), None
    if len(test) == 1:
        run = group.tested(*test)
        single = (run["final_test_low"], run["final_test_high"])
    states = Counter(row["state"] for row in group.rows)
    return Compared(group, states, _mean(group.by_seed(DEV)), _mean(test), single, change, _cost(group))


def _cost(group: Group) -> dict[str, str]:
    done = [row for row in group.rows if row["state"] == FINISHED and not math.isnan(row["cost_flops"])]
    if not done:
        return {}
    means = {name: fmean(row[f"cost_{name}"] for row in done) for name in (*Cost.WORDS, "seconds")}
    return {words: short(means[name]) for name, words in Cost.WORDS.items()} | {"time": duration(means["seconds"])}


def _mean(values: Mapping[Any, float]) -> Mean | None:
    return statistics.mean_over_seeds(list(values.values())) if values else None


def _change(group: Group, base: Group, right: Right) -> Change | None:
    our_seeds, their_seeds = group.by_seed(TEST), base.by_seed(TEST)
    ours, theirs = statistics.common(our_seeds, their_seeds)
    if not ours:
        return None
    if len(ours) > 1:
        found = statistics.paired_difference(ours, theirs)
        return Change(found.mean, found.n, f"{found.n} seeds", found.low, found.high, statistics.p_of_mean(found))
    (seed,) = our_seeds.keys() & their_seeds.keys()
    answers = [right(str(each.tested(seed)["run"])) for each in (group, base)]
    with suppress(BadInput):
        mine, others = paired(*answers)
        if mine:
            each = statistics.compare_problems(mine, others)
            return Change(each.difference, 1, f"{each.n} problems", each.low, each.high, each.p)
    basis = "other test questions" if all(each.right for each in answers) else "no predictions"
    return Change(ours[0] - theirs[0], 1, basis)
