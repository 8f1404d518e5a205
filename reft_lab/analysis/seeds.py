"""Means over seeds, as frames: one row a setting, and how far each setting is from a base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reft_lab.analysis.settings import column_of, default_of, finished
from reft_lab.analysis.statistics import common, holm, p_of_mean, paired_difference, t_reach
from reft_lab.errors import BadInput

if TYPE_CHECKING:
    from pandas import DataFrame

ACCURACY = "final_test_accuracy"
SUMMARY = ("n", "mean", "standard_error", "low", "high")


def summarise(frame: DataFrame, by: Sequence[str], value: str = "value") -> DataFrame:
    """`statistics.mean_over_seeds` of every group at once.

    Args:
        frame: one row a run (and whatever else is in `by`), with columns `seed`, `by` and `value`. Runs of the same
            seed in the same group count as one, by their mean: they say nothing new about seeds.
        by: columns that make a group; an empty cell is a value like any other.
        value: the column that is averaged; rows without a value are left out.

    Returns:
        The columns of `by`, n (seeds), mean, standard_error, low and high (nan for one seed), sorted by `by`.
    """
    by = list(by)
    each = frame.dropna(subset=[value]).groupby([*by, "seed"], dropna=False, observed=True)[value].mean().reset_index()
    groups = each.groupby(by, dropna=False, observed=True)[value].agg(["count", "mean", "std"]).reset_index()
    groups = groups.rename(columns={"count": "n"})
    groups["standard_error"] = groups["std"] / np.sqrt(groups["n"])
    reach = t_reach(np.maximum(groups["n"] - 1, 1)) * groups["standard_error"]
    groups["low"], groups["high"] = groups["mean"] - reach, groups["mean"] + reach
    return groups[[*by, *SUMMARY]]


def per_seed(table: DataFrame, settings: Sequence[str], value: str = ACCURACY) -> DataFrame:
    """The values that a mean is made of: one row a finished run that has one; columns run, seed, settings, `value`.

    Args:
        table: `Runs.table`.
        settings: columns, or options as on the command line; the frame has them under the names given here.
        value: a column of `table`.

    Raises:
        BadInput: no run has one of the settings, or there is no column `value`.
    """
    done = finished(table)
    columns = {name: done[column_of(table, name)] for name in settings}
    frame = done[["run", "seed"]].assign(**columns, value=done[column_of(table, value)])
    return frame.dropna(subset=["value"]).reset_index(drop=True)


def by_setting(table: DataFrame, settings: Sequence[str], value: str = ACCURACY) -> DataFrame:
    """One row a setting: the mean over seeds of a result, with its interval.

    Args:
        table: `Runs.table`; only finished runs count.
        settings: columns, or options as on the command line; one, or several for every combination.
        value: a column of `table`.

    Returns:
        As `summarise`.

    Raises:
        BadInput: no run has one of the settings, or there is no column `value`.
    """
    return summarise(per_seed(table, settings, value), settings)


def against(table: DataFrame, setting: str, base: Any = None, value: str = ACCURACY) -> DataFrame:
    """How far each value of a setting is from a base, over the seeds that both have.

    Args:
        table: `Runs.table`; only finished runs count.
        setting: a column, or an option as on the command line.
        base: the value of the setting that the others are compared with; None takes the default of the option where
            it was run, else the first in order.
        value: a column of `table`.

    Returns:
        One row for each other value: the setting, `base`, n (seeds in common), difference, standard_error, low, high
        (nan for one seed), p (paired t-test), and p_holm, which is p corrected for there being several.

    Raises:
        BadInput: no run has the setting, or none has `base`.
    """
    import pandas

    columns = [setting, "base", "n", "difference", "standard_error", "low", "high", "p", "p_holm"]
    each = per_seed(table, [setting], value)
    means = each.groupby([setting, "seed"], dropna=False)["value"].mean()
    groups = {key: rows.droplevel(0).to_dict() for key, rows in means.groupby(level=0, dropna=False)}
    if not groups:
        return pandas.DataFrame(columns=columns)
    chosen = _base(setting, list(groups), base)
    rows = []
    for key, values in groups.items():
        ours, theirs = common(values, groups[chosen])
        if key is chosen or not ours:  # an empty cell does not equal itself
            continue
        found = paired_difference(ours, theirs)
        rows.append([key, chosen, found.n, found.mean, found.standard_error, found.low, found.high, p_of_mean(found)])
    frame = pandas.DataFrame(rows, columns=columns[:-1])
    frame["p_holm"] = holm(list(frame["p"]))
    return frame


def gained(table: DataFrame, setting: str, before: str = "warmup_test_accuracy", after: str = ACCURACY) -> DataFrame:
    """What runs gained between two of their results, as a mean over seeds: ReFT over its own warm-up.

    Args:
        table: `Runs.table`; only finished runs count.
        setting: a column, or an option as on the command line.
        before, after: columns of `table`.

    Returns:
        One row a value of the setting: the setting, n (seeds), difference (`after` minus `before`), standard_error, low
        and high (nan for one seed).

    Raises:
        BadInput: no run has the setting, or there is no such column.
    """
    first, last = (per_seed(table, [setting], value) for value in (before, after))
    both = last.merge(first[["run", "value"]], on="run", suffixes=("", "_before"))
    both["value"] -= both.pop("value_before")
    return summarise(both, [setting]).rename(columns={"mean": "difference"})


def _base(setting: str, values: list[Any], base: Any) -> Any:
    """The one of `values` that is the base."""
    wanted = default_of(setting) if base is None else base
    same = [value for value in values if value == wanted]
    if not same and base is not None:
        there = ", ".join(map(str, values))
        raise BadInput(f"no finished run has {setting}={base}, which was to be the base; there are {there}.")
    return (same or values)[0]
