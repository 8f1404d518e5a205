"""Two models on the same test problems, one by one: what the predictions of run directories allow."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from reft_lab.analysis.settings import finished
from reft_lab.analysis.statistics import ProblemComparison, compare_problems, holm
from reft_lab.errors import BadInput

if TYPE_CHECKING:
    from pandas import DataFrame

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
    import pandas

    columns = ["run", "seed", "n", *COLUMNS]
    rows = []
    if "warmup_outcome" in predictions.columns:
        seeds = finished(table).set_index("run")["seed"]
        both = predictions.dropna(subset=["warmup_outcome"])
        for run, group in both[both["run"].isin(seeds.index)].groupby("run", sort=False):
            found = compare_problems((group["outcome"] == RIGHT).tolist(), (group["warmup_outcome"] == RIGHT).tolist())
            rows.append({"run": run, "seed": seeds[run], "n": found.n, **asdict(found)})
    frame = pandas.DataFrame(rows, columns=columns)
    frame["p_holm"] = holm(list(frame["p"]))
    return frame
