"""Two models on the same test problems, one by one: what the predictions of run directories allow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from reft_lab.analysis.settings import finished
from reft_lab.analysis.statistics import ProblemComparison, compare_problems, holm
from reft_lab.config.saved_run import BASELINE
from reft_lab.errors import BadInput

if TYPE_CHECKING:
    from pandas import DataFrame, Series

RIGHT = "correct"
COLUMNS = ("both", "only_ours", "only_theirs", "neither", "difference", "low", "high", "p")


def compare_runs(predictions: DataFrame, ours: str, theirs: str) -> ProblemComparison:
    """Compare the chosen checkpoints of two runs on the problems that both were tested on.

    Args:
        predictions: `Runs.predictions()`.
        ours, theirs: ids of the runs.

    Raises:
        BadInput: one of them has no predictions, or they share no problem.
    """
    right = {}
    for run in (ours, theirs):
        rows = predictions[predictions["run"] == run]
        if rows.empty:
            raise BadInput(f"run {run!r} has no predictions, which a comparison problem by problem needs.")
        right[run] = rows.set_index("id")["outcome"] == RIGHT
    shared = right[ours].index.intersection(right[theirs].index)
    if shared.empty:
        raise BadInput(f"runs {ours!r} and {theirs!r} were tested on different problems, so they cannot be compared.")
    return compare_problems(right[ours][shared].tolist(), right[theirs][shared].tolist())


def against_warmup(predictions: DataFrame, table: DataFrame) -> DataFrame:
    """What ReFT did to the policy it began with, in each finished run: the final answers against those after warm-up.

    Args:
        predictions: `Runs.predictions()`.
        table: `Runs.table`.

    Returns:
        One row for each finished run with predictions of both: run, seed, n (problems), both, only_ours (right after
        ReFT only), only_theirs (right after the warm-up only), neither, difference (a fraction), low, high (95 %,
        paired bootstrap over problems), p (exact McNemar), and p_holm, corrected for there being several runs.
    """
    if "warmup_outcome" not in predictions.columns:
        return _frame([])
    both = predictions.dropna(subset=["warmup_outcome"])
    groups = dict(iter(both.groupby("run", sort=False)))
    return _frame(
        (run, seed, compare_problems(_right(groups[run]["outcome"]), _right(groups[run]["warmup_outcome"])))
        for run, seed in _finished_with(table, groups)
    )


def against_baseline(predictions: DataFrame, table: DataFrame) -> DataFrame:
    """ReFT against the SFT baseline that was trained beside it, in each finished run that has one.

    Args:
        predictions: `Runs.predictions()` of what was loaded with `baselines=True`.
        table: its `Runs.table`.

    Returns:
        As `against_warmup`, where only_theirs is what the baseline alone got right.
    """
    there = set(predictions["run"])
    pairs = {run: f"{run}/{BASELINE}" for run in there if f"{run}/{BASELINE}" in there}
    return _frame((run, seed, compare_runs(predictions, run, pairs[run])) for run, seed in _finished_with(table, pairs))


def _right(outcomes: Series) -> list[bool]:
    return (outcomes == RIGHT).tolist()


def _finished_with(table: DataFrame, there: Iterable[str]) -> list[tuple[str, int]]:
    """Ids and seeds of the finished runs that are among `there`."""
    done = finished(table)
    return list(done.loc[done["run"].isin(list(there)), ["run", "seed"]].itertuples(index=False, name=None))


def _frame(rows: Iterable[tuple[str, int, ProblemComparison]]) -> DataFrame:
    import pandas

    records: list[dict[str, Any]] = [
        {"run": run, "seed": seed, "n": each.n, **asdict(each)} for run, seed, each in rows
    ]
    frame = pandas.DataFrame(records, columns=["run", "seed", "n", *COLUMNS])
    frame["p_holm"] = holm(list(frame["p"]))
    return frame
