"""How training went: the metrics to look at together, and where the time went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reft_lab import metrics
from reft_lab.methods import RECORDS

if TYPE_CHECKING:
    from pandas import DataFrame


def _together(*groups: str) -> tuple[str, ...]:
    """The metrics of these groups that are one number each, families of numbers left out."""
    entries = [entry for group in groups for entry in metrics.of_group(group)]
    return tuple(
        name
        for entry in entries
        if not entry.name.endswith((metrics.KIND, metrics.TENTH))
        for name in metrics.members(entry.name, RECORDS)
    )


# What is drawn side by side, by what it tells.
SUPERVISED = _together(metrics.SUPERVISED)
LEARNING = _together(metrics.LEARNING)
ROLLOUTS = _together(metrics.ROLLOUTS)
POLICY = _together(metrics.KL, metrics.UPDATE)
VALUE = _together(metrics.VALUE)
# The parts of a run that have a clock of their own.
TIMES = {entry.name: entry.label.lower() for entry in metrics.of_group(metrics.SPEED) if entry.unit == "s"}
# Those of an iteration, in their order.
PHASES = ("time/rollout_seconds", "time/judge_seconds", "time/score_seconds", "time/update_seconds")
REST = "everything else"
PARTS = (*TIMES.values(), REST)


def seconds_by_part(history: DataFrame, table: DataFrame) -> DataFrame:
    """Where the wall time of each run went.

    Args:
        history: `Runs.history(list(TIMES))`.
        table: `Runs.table`.

    Returns:
        One row for each run and part: run, part, seconds, and share of the run's seconds. `everything else` is what no
        clock covers: start, checkpoints, the evaluation on test, waiting for the baseline; it is left out of runs
        whose whole time is not known, where the shares are of what is.
    """
    import pandas

    parts = history[history["metric"].isin(TIMES)].groupby(["run", "metric"], sort=False)["value"].sum().reset_index()
    parts = parts.rename(columns={"value": "seconds"})
    parts["part"] = parts.pop("metric").map(TIMES)
    measured = parts.groupby("run")["seconds"].sum()
    rest = (table.set_index("run")["seconds"].reindex(measured.index) - measured).dropna().clip(lower=0)
    others = pandas.DataFrame({"run": rest.index, "part": REST, "seconds": rest.to_numpy()})
    frame = pandas.concat([parts, others], ignore_index=True)[["run", "part", "seconds"]]
    frame["share"] = frame["seconds"] / frame.groupby("run")["seconds"].transform("sum")
    place = frame["part"].map({part: place for place, part in enumerate(PARTS)})
    return frame.assign(place=place).sort_values(["run", "place"]).drop(columns="place").reset_index(drop=True)
