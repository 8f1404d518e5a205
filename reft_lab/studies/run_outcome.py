"""What became of a run of a study, read from its run directory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reft_lab.run_dir.files import CONFIG, METRICS, RESULT
from reft_lab.run_dir.reading import read_lines, read_object
from reft_lab.studies.objective import ACCURACY, Objective

HELD = "held"  # another process works in the run directory


@dataclass(frozen=True)
class RunOutcome:
    """What became of a run.

    Attributes:
        status: as in result.json, "crashed" where there is none, or HELD.
        reason: one sentence, None for a finished run.
        values: one for each objective, of a finished run.
        seconds: wall seconds of all its sessions.
        is_final: whether there is no point in trying again.
    """

    status: str
    reason: str | None = None
    values: tuple[float, ...] = ()
    seconds: float = 0.0
    is_final: bool = False


def read_outcome(directory: Path, objectives: Sequence[Objective]) -> RunOutcome:
    """What became of the run in `directory`, whatever state it is in."""
    result = read_object(directory / RESULT) or {}
    try:
        status, reason, seconds = result["status"], result["reason"], float(result["seconds"]["total"])
    except (ValueError, KeyError, TypeError):
        return RunOutcome("crashed", "it left no result")
    if status != "finished":
        return RunOutcome(status, reason, seconds=seconds)
    values = tuple(_value(directory, result, objective.metric) for objective in objectives)
    for objective, value in zip(objectives, values, strict=True):
        if not math.isfinite(value):
            return RunOutcome("failed", f"it has no value of {objective.metric}", seconds=seconds, is_final=True)
    return RunOutcome("finished", None, values, seconds)


def can_go_on(directory: Path) -> bool:
    """Whether there is a run that `resume=` takes."""
    return (directory / CONFIG).is_file()


def _value(directory: Path, result: dict[str, Any], metric: str) -> float:
    """An objective's value, nan where the run has none."""
    if metric == ACCURACY:
        return float(result["final"][result["selection"]]["accuracy"])
    value = math.nan
    for line in read_lines(directory / METRICS):
        value = line.get(metric, value)
    return float(value)
