"""The settings of a study, whose runs differ in nothing but the seed, and how sure the differences between them are."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from reft_lab.analysis.changes import Change, Results, change_of, mean_of
from reft_lab.analysis.found import FINISHED
from reft_lab.analysis.problems import Answered, answered
from reft_lab.analysis.settings import default_options
from reft_lab.analysis.statistics import Mean, holm, mean_over_seeds
from reft_lab.config.wording import shown
from reft_lab.methods import METHODS, method_of
from reft_lab.methods.base import Cost
from reft_lab.numbers import duration, four, interval, interval_in_points, p_value, per_cent, points, short

if TYPE_CHECKING:
    from pandas import DataFrame

    from reft_lab.analysis.runs import Runs

DEV, TEST = "final_dev_accuracy", "final_test_accuracy"
Right = Callable[[str], Answered]
METHOD = "method"
WORDS = 60  # characters of a label
FEW = 2  # options whose values name a setting; more stand in columns of their own


@dataclass(frozen=True)
class Group:
    """The runs of one setting.

    Attributes:
        number: its place, from 0; in the order of the runs.
        values: what is particular to it, as one writes it, by option; empty where nothing differs.
        rows: rows of `Runs.table`, in its order.
        numbered: whether it goes by the number of its trial, for its values are many or arbitrary.
    """

    number: int
    values: Mapping[str, str]
    rows: tuple[Mapping[str, Any], ...]
    numbered: bool = False

    @property
    def name(self) -> str:
        """What it goes by on a page: `trial 7`, or its values where they say it best."""
        if not self.numbered:
            return self.label
        trials = self.trials
        if not trials:
            return f"setting {self.number}"
        return f"trial{'s' if len(trials) > 1 else ''} {', '.join(map(str, trials))}"

    @property
    def trials(self) -> list[int]:
        """The trials of a study that it was; empty where it was none."""
        found = [row["trial"] for row in self.rows]
        return sorted(set(found)) if all(isinstance(each, int) for each in found) else []

    @property
    def shown(self) -> dict[str, str]:
        """Its values by option, numbers with four digits."""
        return {option: _four(value) for option, value in self.values.items()}

    @property
    def is_method(self) -> bool:
        """Whether it differs in the method alone, by whose label it goes."""
        return self.values.keys() == {METHOD}

    @property
    def label(self) -> str:
        """Its values in words, short enough for a line."""
        if self.is_method:
            return self.values[METHOD]
        text = ", ".join(f"{option}={value}" for option, value in self.shown.items()) or "all runs"
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

    def runs_of(self, seed: Any) -> list[Mapping[str, Any]]:
        """Its finished runs with this seed that have a test accuracy."""
        done = (row for row in self.rows if row["state"] == FINISHED and not math.isnan(row[TEST]))
        return [row for row in done if row["seed"] in {seed}]

    def tested(self, right: Right) -> Results:
        """How it did on test; `right` reads the answers of a run, by its id."""
        accuracy = self.by_seed(TEST)
        return Results(accuracy, {seed: [right(str(run["run"])) for run in self.runs_of(seed)] for seed in accuracy})


def _four(value: str) -> str:
    """A number with four digits; anything else as it is."""
    try:
        return four(float(value)) if re.search(r"[.e]", value) else value
    except ValueError:
        return value


def groups_of(table: DataFrame, *, searched: bool = False) -> list[Group]:
    """The settings of the runs in a table, in the order of their first runs.

    A run whose config cannot be read is of no setting, unless none can be read. Settings that are a method each are
    told apart by that alone.

    Args:
        table: `Runs.table`, without the runs that confirm a search.
        searched: whether their values were drawn, so that they go by their trials.
    """
    from reft_lab.analysis.schema import CONFIG
    from reft_lab.analysis.settings import as_typed, differing, varied

    readable = table[table["config.seed"].notna()] if "config.seed" in table.columns else table
    table = table if readable.empty else readable
    options = differing(table)
    found: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in table.to_dict("records"):
        found.setdefault(tuple(as_typed(row[CONFIG + option]) for option in options), []).append(row)
    told = set(varied(table))  # all others follow from these
    values = [{key: value for key, value in zip(options, each, strict=True) if key in told} for each in found]
    methods = [{str(row["method"]) for row in rows} for rows in found.values()]
    if len(found) > 1 and len(set().union(*methods)) == len(found) == sum(map(len, methods)):
        # It says all, where each has switches of its own.
        values = [{METHOD: METHODS[name].label if name in METHODS else name} for (name,) in methods]
    numbered = bool(values[0]) and (searched or len(values[0]) > FEW)
    pairs = enumerate(zip(values, found.values(), strict=True))
    return [Group(number, own, tuple(rows), numbered) for number, (own, rows) in pairs]


def base_of(groups: list[Group], default: Mapping[str, Any]) -> tuple[Group, str]:
    """The setting that others are compared with, and why it is this one.

    Args:
        groups: the settings, at least one.
        default: the default experiment, flat.
    """
    named = {METHOD: method_of(default).label}
    for group in groups:
        values = group.values.items()
        if values and all(value in (shown(default.get(option)), named.get(option)) for option, value in values):
            return group, "the default"
    return groups[0], "the first"


@dataclass(frozen=True)
class Compared:
    """One row of the comparison.

    Attributes:
        group: the setting.
        states: runs by state.
        dev, test: means over seeds; None where no run finished with one.
        each: test accuracy of each seed.
        single: 95 % interval of the only run there is, over problems; None where there are several, or none.
        change: against the base; None for the base itself, and where it cannot be told.
        cost: what training took, in words, by what is counted; the mean of finished runs. Empty where none says so.
    """

    group: Group
    states: Mapping[str, int]
    dev: Mean | None
    test: Mean | None
    each: Sequence[float]
    single: tuple[float, float] | None
    change: Change | None
    cost: Mapping[str, str]


@dataclass(frozen=True)
class Comparison:
    """The settings of a study side by side.

    Attributes:
        table: the rows of `Runs.table` that it is about: all runs but those that confirm a search.
        groups: the settings.
        base: the one that others are compared with.
        why: why it is this one.
        rows: one for each setting, in their order.
    """

    table: DataFrame
    groups: list[Group]
    base: Group
    why: str
    rows: list[Compared]


def comparison_of(runs: Runs, *, searched: bool = False) -> Comparison:
    """Compare the settings of some runs, at least one; `searched` as for `groups_of`."""
    table = runs.table[runs.table["confirm"].isna()]
    if table.empty:
        table = runs.table
    groups = groups_of(table, searched=searched)
    base, why = base_of(groups, default_options())
    found = {run.run: run for run in runs.found}
    return Comparison(table, groups, base, why, compare(groups, base, lambda run: answered(found[run].predictions())))


def in_words(found: Comparison) -> DataFrame:
    """A comparison in words, per cent and points, ready to be printed; every cell is text."""
    import pandas

    lines = []
    for row in found.rows:
        test, change = row.test, row.change
        known = test if test and test.known else None
        low, high = (known.low, known.high) if known else row.single or (math.nan, math.nan)
        line = {
            "Setting": row.group.label,
            "Seeds": str(test.n if test else 0),
            "Dev": per_cent(row.dev.mean) if row.dev else "",
            "Test": per_cent(test.mean) if test else "",
            "95 % interval": interval(low, high),
            "Change": points(change.difference) if change else "",
            "Its 95 % interval": interval_in_points(change.low, change.high) if change else "",
            "p (Holm)": p_value(change.p_holm) if change else "",
        }
        lines.append(line | {words[0].upper() + words[1:]: value for words, value in row.cost.items()})
    return pandas.DataFrame(lines).fillna("")


def compare(groups: Sequence[Group], base: Group, right: Right) -> list[Compared]:
    """The rows of the comparison, in the order of the groups, as `changes.change_of` compares each with the base.

    Args:
        groups: the settings.
        base: the one that others are compared with.
        right: reads which test questions a run answered right, by id of the run.
    """
    tested = base.tested(right)
    rows = [_row(group, tested if group is base else group.tested(right), base, tested) for group in groups]
    adjusted = holm([row.change.p if row.change else math.nan for row in rows])
    return [
        replace(row, change=row.change and replace(row.change, p_holm=p)) for row, p in zip(rows, adjusted, strict=True)
    ]


def _row(group: Group, tested: Results, base: Group, other: Results) -> Compared:
    single = None
    if len(tested.accuracy) == 1:
        run, *again = group.runs_of(*tested.accuracy)
        single = None if again else (run["final_test_low"], run["final_test_high"])
    states = Counter(row["state"] for row in group.rows)
    dev = list(group.by_seed(DEV).values())
    change = None if group is base else change_of(tested, other)
    each = list(tested.accuracy.values())
    return Compared(
        group, states, mean_over_seeds(dev) if dev else None, mean_of(tested), each, single, change, _cost(group)
    )


def _cost(group: Group) -> dict[str, str]:
    done = [row for row in group.rows if row["state"] == FINISHED and not math.isnan(row["cost_flops"])]
    if not done:
        return {}
    means = {name: fmean(row[f"cost_{name}"] for row in done) for name in (*Cost.WORDS, "seconds")}
    return {words: short(means[name]) for name, words in Cost.WORDS.items()} | {"time": duration(means["seconds"])}
