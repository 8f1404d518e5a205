"""What became of responses: shares of the outcome kinds, at the end and over training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reft_lab.analysis.settings import column_of, finished
from reft_lab.answers.outcome import KINDS

if TYPE_CHECKING:
    from pandas import DataFrame

PREFIX = "outcome_"


def final_outcomes(table: DataFrame, settings: Sequence[str]) -> DataFrame:
    """Outcomes on the test split, the seeds of a setting taken together.

    Args:
        table: `Runs.table`; only finished runs count.
        settings: columns, or options as on the command line.

    Returns:
        One row for each setting and kind that occurs anywhere: the settings, outcome, problems, and share of all
        problems of that setting.

    Raises:
        BadInput: no run has one of the settings.
    """
    done = finished(table)
    columns = {name: done[column_of(table, name)] for name in settings}
    frame = done[[f"{PREFIX}{kind}" for kind in KINDS]].assign(**columns)
    long = frame.melt(id_vars=list(settings), var_name="outcome", value_name="problems").dropna(subset=["problems"])
    long["outcome"] = long["outcome"].str.removeprefix(PREFIX)
    sums = long.groupby([*settings, "outcome"], dropna=False)["problems"].sum().reset_index()
    sums["share"] = sums["problems"] / sums.groupby(list(settings), dropna=False)["problems"].transform("sum")
    there = sums[sums["outcome"].isin(set(sums.loc[sums["problems"] > 0, "outcome"]))]
    place = there["outcome"].map(KINDS.index)  # from right answers to forbidden programs, as they are documented
    return there.assign(place=place).sort_values([*settings, "place"]).drop(columns="place").reset_index(drop=True)


def outcome_curves(bands: DataFrame, prefix: str = "rollout/outcome/") -> DataFrame:
    """The outcome metrics of seed bands, by kind: the columns but `metric`, and outcome.

    Args:
        bands: as `curves.seed_bands` gives them.
        prefix: of the metrics, `rollout/outcome/` or `eval/outcome/`.
    """
    frame = bands[bands["metric"].str.startswith(prefix)].copy()
    frame["outcome"] = frame.pop("metric").str.removeprefix(prefix)
    return frame[frame["outcome"].isin(set(frame.loc[frame["mean"] > 0, "outcome"]))].reset_index(drop=True)
