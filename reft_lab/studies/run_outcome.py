"""How a run of a study ended, read from its run directory."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reft_lab.run_dir.saved import CONFIG, RESULT
from reft_lab.studies.definition import Objective
from reft_lab.studies.metrics import ACCURACY

METRICS = "metrics.jsonl"
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
    try:
        result = json.loads((directory / RESULT).read_text(encoding="utf-8"))
        status, reason, seconds = result["status"], result["reason"], float(result["seconds"]["total"])
    except (OSError, ValueError, KeyError, TypeError):
        return RunOutcome("crashed", "it left no result")
    if status != "finished":
        return RunOutcome(status, reason, seconds=seconds)
    values = tuple(_value(directory, result, objective.metric) for objective in objectives)
    for objective, value in zip(objectives, values, strict=True):
        if not math.isfinite(value):
            return RunOutcome("failed", f"it has no value of {objective.metric}", seconds=seconds, is_final=True)
    return RunOutcome("finished", None, values, seconds)


def can_go_on(directory: Path) -> bool:
    """Whether there is a run that `resume=` can go on with."""
    return (directory / CONFIG).is_file()


def _value(directory: Path, result: dict[str, Any], metric: str) -> float:
    """The value of an objective; nan where the run has none."""
    if metric == ACCURACY:
        return float(result["final"][result["selection"]]["accuracy"])
    value = math.nan
    with (directory / METRICS).open(encoding="utf-8") as file:
        for line in file:
            value = json.loads(line).get(metric, value)
    return float(value)
