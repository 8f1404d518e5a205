"""How a run of a study ended, read from its run directory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reft_lab.run_dir.files import METRICS, RESULT
from reft_lab.run_dir.reading import read_lines, read_object
from reft_lab.studies.objective import ACCURACY, Objective

HELD = "held"  # another process works in the run directory


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended.

    Attributes:
        status: as in result.json, "crashed" where there is none, or HELD.
        reason: one sentence; None for a finished run.
        values: of a finished run, one for each objective.
        seconds: wall time of all its sessions.
        is_final: whether trying again would be pointless.
    """

    status: str
    reason: str | None = None
    values: tuple[float, ...] = ()
    seconds: float = 0.0
    is_final: bool = False


def read_outcome(directory: Path, objectives: Sequence[Objective]) -> RunOutcome:
    """How the run in `directory` ended, whatever state it is in."""
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


def _value(directory: Path, result: dict[str, Any], metric: str) -> float:
    """The value of an objective; nan where the run has none."""
    if metric == ACCURACY:
        return float(result["final"][result["selection"]]["accuracy"])
    value = math.nan
    for line in read_lines(directory / METRICS):
        value = line.get(metric, value)
    return float(value)
