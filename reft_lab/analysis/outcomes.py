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
    frame = done[[f"{PREFIX}{kind}" for kind in KINDS]].copy()
    for setting in settings:
        frame[setting] = done[column_of(table, setting)]
    long = frame.melt(id_vars=list(settings), var_name="outcome", value_name="problems").dropna(subset=["problems"])
    long["outcome"] = long["outcome"].str.removeprefix(PREFIX)
    sums = long.groupby([*settings, "outcome"], dropna=False)["problems"].sum().reset_index()
    sums["share"] = sums["problems"] / sums.groupby(list(settings), dropna=False)["problems"].transform("sum")
    return _in_order(sums[sums["outcome"].isin(set(sums.loc[sums["problems"] > 0, "outcome"]))], settings)


def outcome_curves(bands: DataFrame, prefix: str = "rollout/outcome/") -> DataFrame:
    """The outcome metrics of seed bands, by kind: the columns but `metric`, and outcome.

    Args:
        bands: as `curves.seed_bands` gives them.
        prefix: of the metrics, `rollout/outcome/` or `eval/outcome/`.
    """
    frame = bands[bands["metric"].str.startswith(prefix)].copy()
    frame["outcome"] = frame.pop("metric").str.removeprefix(prefix)
    return frame[frame["outcome"].isin(set(frame.loc[frame["mean"] > 0, "outcome"]))].reset_index(drop=True)


def _in_order(frame: DataFrame, settings: Sequence[str]) -> DataFrame:
    """Kinds in the order in which they are documented, from right answers to forbidden programs."""
    place = frame["outcome"].map({kind: place for place, kind in enumerate(KINDS)})
    return frame.assign(place=place).sort_values([*settings, "place"]).drop(columns="place").reset_index(drop=True)
