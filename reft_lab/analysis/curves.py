"""Curves over training: one axis for all runs, means over seeds with a band, and few enough points to draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reft_lab.analysis.seeds import summarise
from reft_lab.analysis.settings import with_settings
from reft_lab.metrics import SHARE, find

if TYPE_CHECKING:
    from pandas import DataFrame

REFT = ("rollout/", "ppo/")  # metrics that every iteration of ReFT has, and nothing else has


def iterations(history: DataFrame) -> DataFrame:
    """The history of ReFT alone, on an axis that begins with it: runs with other warm-ups can be laid on one another.

    Args:
        history: as `Runs.history` gives it, with a `rollout/` or `ppo/` metric among its metrics.

    Returns:
        The rows from the last step of the warm-up on, with a column `iteration`, which is 0 there. Runs that have no
        iteration of ReFT are left out.
    """
    in_reft = history[history["metric"].str.startswith(REFT)]
    first = in_reft.groupby("run")["step"].min().rename("first").reset_index()
    frame = history.merge(first, on="run")
    frame["iteration"] = frame["step"] - frame.pop("first") + 1
    return frame[frame["iteration"] >= 0].reset_index(drop=True)


def thinned(frame: DataFrame, by: Sequence[str], axis: str, points: int = 300) -> DataFrame:
    """Means of neighbours, where there are more places on the axis than a picture has room for.

    Args:
        frame: long, with a column `value`.
        by: columns that tell one curve from another.
        axis: the column that is the axis.
        points: places to keep, about.

    Returns:
        The columns of `by`, `axis` (the mean place of what was put together) and `value`; `frame` where few enough.
    """
    if frame[axis].nunique() <= points:
        return frame
    width = (frame[axis].max() - frame[axis].min() + 1) / points
    place = ((frame[axis] - frame[axis].min()) // width).astype("int64").rename("place")
    # One place for all curves, so that seeds stay on top of one another.
    middle = frame[axis].groupby(place).mean().rename(axis)
    means = frame.groupby([*(frame[name] for name in by), place], dropna=False)["value"].mean().reset_index()
    return means.merge(middle, left_on="place", right_index=True).drop(columns="place")


def seed_bands(
    history: DataFrame, table: DataFrame, settings: Sequence[str], axis: str = "step", points: int = 300
) -> DataFrame:
    """Curves of the settings: the mean over seeds with its 95 % interval, at every place of the axis.

    Only finished runs count: with pruned or running ones, a mean would change its runs along the way. A place that not
    every seed of a setting reached is left out for the same reason.

    Args:
        history: long, with columns run, metric, value and `axis`; see `iterations`.
        table: `Runs.table`.
        settings: columns, or options as on the command line.
        axis: the column that is the axis.
        points: places to keep, about.

    Returns:
        The settings, metric, `axis`, n (seeds), mean, standard_error, low, high.

    Raises:
        BadInput: no run has one of the settings.
    """
    each = with_settings(history, table, settings, finished_only=True)
    each = thinned(each, ["run", "seed", *settings, "metric"], axis, points)
    bands = _summarised(each, [*settings, "metric", axis])
    if bands.empty:
        return bands
    most = bands.groupby([*settings, "metric"], dropna=False)["n"].transform("max")
    return bands[bands["n"] == most].reset_index(drop=True)


def _summarised(each: DataFrame, by: list[str]) -> DataFrame:
    """As `summarise`; only shares have bounds."""
    import pandas

    shares = each["metric"].map(lambda name: find(name).unit == SHARE).astype(bool)
    parts = [summarise(each[shares], by), summarise(each[~shares], by, bounds=None)]
    return pandas.concat([part for part in parts if len(part)] or parts[:1]).sort_values(by).reset_index(drop=True)


def run_curves(history: DataFrame, table: DataFrame, axis: str = "step", points: int = 300) -> DataFrame:
    """Curves of single runs, whatever their state: run, seed, state, metric, `axis`, value."""
    each = thinned(history, ["run", "metric"], axis, points)[["run", "metric", axis, "value"]]
    return with_settings(each, table, ["state"], finished_only=False)
