"""Means over seeds, as frames: one row a setting, and how far each setting is from a base.

With the predictions of the runs, intervals are over seeds and test questions together, as on the pages of studies;
without them, and for other results than test accuracies, over seeds alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reft_lab.analysis.changes import Results, change_of, mean_of
from reft_lab.analysis.power import needed
from reft_lab.analysis.problems import Answered, answered
from reft_lab.analysis.settings import column_of, default_of, finished
from reft_lab.analysis.statistics import (
    ENOUGH,
    SHARES,
    Bounds,
    common,
    holm,
    interval_around,
    p_of_mean,
    paired_difference,
)
from reft_lab.errors import BadInput

if TYPE_CHECKING:
    from pandas import DataFrame

ACCURACY = "final_test_accuracy"
ANSWERS = {ACCURACY: "outcome", "warmup_test_accuracy": "warmup_outcome"}  # of a result, in predictions.jsonl
SUMMARY = ("n", "mean", "standard_error", "low", "high")
CHANGE = ("n", "questions", "difference", "standard_error", "low", "high", "p", "p_holm", "seeds_needed")


def summarise(frame: DataFrame, by: Sequence[str], value: str = "value", bounds: Bounds | None = SHARES) -> DataFrame:
    """`statistics.mean_over_seeds` of every group at once.

    Args:
        frame: one row a run (and whatever else is in `by`), with columns `seed`, `by` and `value`. Runs of the same
            seed in the same group count as one, by their mean: they say nothing new about seeds.
        by: columns that make a group; an empty cell is a value like any other.
        value: the column that is averaged; rows without a value are left out.
        bounds: between which the values lie; None: anywhere.

    Returns:
        The columns of `by`, n (seeds), mean, standard_error, low and high (nan for fewer than three seeds), sorted by
        `by`.
    """
    by = list(by)
    each = frame.dropna(subset=[value]).groupby([*by, "seed"], dropna=False, observed=True)[value].mean().reset_index()
    groups = each.groupby(by, dropna=False, observed=True)[value].agg(["count", "mean", "std"]).reset_index()
    groups = groups.rename(columns={"count": "n"})
    groups["standard_error"] = (groups["std"] / np.sqrt(groups["n"])).where(groups["n"] >= ENOUGH)
    degrees = np.maximum(groups["n"] - 1, 1)
    groups["low"], groups["high"] = interval_around(groups["mean"], groups["standard_error"], degrees, bounds)
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


def by_setting(
    table: DataFrame, settings: Sequence[str], value: str = ACCURACY, predictions: DataFrame | None = None
) -> DataFrame:
    """One row a setting: the mean over seeds of a result, with its interval.

    Args:
        table: `Runs.table`; only finished runs count.
        settings: columns, or options as on the command line; one, or several for every combination.
        value: a column of `table`.
        predictions: `Runs.predictions()`, for intervals over seeds and questions.

    Returns:
        As `summarise`, and with predictions `questions`: how many the interval is over beside the seeds, 0 for none.

    Raises:
        BadInput: no run has one of the settings, or there is no column `value`.
    """
    each = per_seed(table, settings, value)
    means = summarise(each, settings, bounds=_bounds(value))
    if predictions is None or value not in ANSWERS:
        return means
    answers = _answers(predictions, value)
    groups = each.groupby(list(settings), dropna=False, observed=True)  # in the order of `means`
    found = [mean_of(_tested(rows, answers)) for _, rows in groups]
    means["questions"] = [mean.questions if mean and mean.known else 0 for mean in found]
    for name in SUMMARY[1:]:
        means[name] = [getattr(mean, name) for mean in found]
    return means


def against(
    table: DataFrame,
    setting: str,
    base: Any = None,
    value: str = ACCURACY,
    predictions: DataFrame | None = None,
) -> DataFrame:
    """How far each value of a setting is from a base.

    Args:
        table: `Runs.table`; only finished runs count.
        setting: a column, or an option as on the command line.
        base: the value of the setting that the others are compared with; None takes the default of the option where
            it was run, else the first in order.
        value: a column of `table`.
        predictions: `Runs.predictions()`, for intervals over seeds and questions.

    Returns:
        One row for each other value: the setting, `base`, n (seeds), questions (0: the interval is over seeds alone),
        difference, standard_error, low, high (nan for fewer than three seeds, but over the questions for one seed with
        predictions), p, p_holm, which is p corrected for there being several, seeds_needed and questions_needed (see
        `power.Needed`). Values are compared as `changes.change_of` does.

    Raises:
        BadInput: no run has the setting, or none has `base`.
    """
    import pandas

    columns = [setting, "base", *CHANGE, "questions_needed"]
    each = per_seed(table, [setting], value)
    groups = dict(iter(each.groupby(setting, dropna=False)))
    if not groups:
        return pandas.DataFrame(columns=columns)
    chosen = _base(setting, list(groups), base)
    answers = _answers(predictions, value)
    tested = {key: _tested(rows, answers) for key, rows in groups.items()}
    rows = [
        {setting: key, "base": chosen} | row
        for key, ours in tested.items()
        if key is not chosen and (row := _change(ours, tested[chosen], _bounds(value)))  # an empty cell is not itself
    ]
    frame = pandas.DataFrame(rows, columns=columns)
    frame["p_holm"] = holm(list(frame["p"]))
    return frame.astype({"seeds_needed": "Int64", "questions_needed": "Int64"})


def gained(
    table: DataFrame,
    setting: str,
    before: str = "warmup_test_accuracy",
    after: str = ACCURACY,
    predictions: DataFrame | None = None,
) -> DataFrame:
    """What runs gained between two of their results, as a mean over seeds: ReFT over its own warm-up.

    Args:
        table: `Runs.table`; only finished runs count.
        setting: a column, or an option as on the command line.
        before, after: columns of `table`.
        predictions: `Runs.predictions()`, for intervals over seeds and questions.

    Returns:
        One row a value of the setting: the setting and then as `against`, without a base.

    Raises:
        BadInput: no run has the setting, or there is no such column.
    """
    import pandas

    sides = []
    for value in (after, before):
        answers = _answers(predictions, value)
        groups = per_seed(table, [setting], value).groupby(setting, dropna=False)
        # One nan, of an empty cell, is not another.
        sides.append({None if key != key else key: _tested(rows, answers) for key, rows in groups})
    ours, theirs = sides
    bounds = _bounds(after)
    found = [{setting: key} | (_change(ours[key], theirs[key], bounds) or {}) for key in ours if key in theirs]
    frame = pandas.DataFrame(found, columns=[setting, *CHANGE, "questions_needed"])
    frame["p_holm"] = holm(list(frame["p"]))
    return frame.astype({"seeds_needed": "Int64", "questions_needed": "Int64"})


def tested(table: DataFrame, predictions: DataFrame) -> Results:
    """How the finished runs of a table, all of one setting, did on test; `predictions` as `Runs.predictions()` gives
    them."""
    return _tested(per_seed(table, []), _answers(predictions, ACCURACY))


def _bounds(value: str) -> Bounds | None:
    return SHARES if value.endswith("_accuracy") else None


def _answers(predictions: DataFrame | None, value: str) -> dict[str, Answered]:
    """The answers behind a result, by run."""
    if predictions is None or value not in ANSWERS or ANSWERS[value] not in predictions.columns:
        return {}
    rows = predictions[predictions[ANSWERS[value]].notna()]
    return {str(run): answered(each.to_dict("records"), ANSWERS[value]) for run, each in rows.groupby("run")}


def _tested(rows: DataFrame, answers: Mapping[str, Answered]) -> Results:
    """Of rows of `per_seed`."""
    accuracy = rows.groupby("seed", dropna=False, sort=False)["value"].mean().to_dict()
    found: dict[Any, list[Answered]] = {}
    for run, seed in rows[["run", "seed"]].itertuples(index=False, name=None):
        found.setdefault(seed, []).append(answers.get(run, Answered()))
    return Results(accuracy, found)


def _change(ours: Results, theirs: Results, bounds: Bounds | None) -> dict[str, Any] | None:
    """A row of `against`; None where nothing can be said."""
    if bounds is not None:
        change = change_of(ours, theirs)
        if change is None:
            return None
        row: dict[str, Any] = {name: getattr(change, name) for name in CHANGE[2:-2]}
        need = change.needed
        row |= {"n": change.seeds, "questions": change.questions}
        return row | {f"{name}_needed": getattr(need, name, None) for name in ("seeds", "questions")}
    first, second = common(ours.accuracy, theirs.accuracy)
    if not first:
        return None
    found = paired_difference(first, second, None)
    columns = np.subtract(first, second)[:, None]
    need = needed([columns], questions_known=False)
    row = {name: getattr(found, name) for name in ("standard_error", "low", "high", "n")}
    row |= {"questions": 0, "difference": found.mean, "p": p_of_mean(found), "seeds_needed": need and need.seeds}
    return row


def _base(setting: str, values: list[Any], base: Any) -> Any:
    """The one of `values` that is the base."""
    from reft_lab.config.options import options

    wanted = default_of(setting) if base is None else base
    same = [value for value in values if value == wanted]
    if base is None and wanted is None and setting in options():  # null, an empty cell of the table
        same = [value for value in values if value is None or value != value]
    if not same and base is not None:
        there = ", ".join(map(str, values))
        raise BadInput(f"no finished run has {setting}={base}, which was to be the base; there are {there}.")
    return (same or values)[0]
