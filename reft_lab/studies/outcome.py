"""What became of a run of a study, read from its run directory."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reft_lab.run_dir.saved import CONFIG, RESULT
from reft_lab.studies.objective import ACCURACY, Objective

METRICS = "metrics.jsonl"
HELD = "held"  # another process works in the run directory


@dataclass(frozen=True)
class Outcome:
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


def read_outcome(directory: Path, objectives: Sequence[Objective]) -> Outcome:
    """What became of the run in `directory`, whatever state it is in."""
    try:
        result = json.loads((directory / RESULT).read_text(encoding="utf-8"))
        status, reason, seconds = result["status"], result["reason"], float(result["seconds"]["total"])
    except (OSError, ValueError, KeyError, TypeError):
        return Outcome("crashed", "it left no result")
    if status != "finished":
        return Outcome(status, reason, seconds=seconds)
    values = tuple(_value(directory, result, objective.metric) for objective in objectives)
    for objective, value in zip(objectives, values, strict=True):
        if not math.isfinite(value):
            return Outcome("failed", f"it has no value of {objective.metric}", seconds=seconds, is_final=True)
    return Outcome("finished", None, values, seconds)


def can_go_on(directory: Path) -> bool:
    """Whether there is a run that `resume=` takes."""
    return (directory / CONFIG).is_file()


def _value(directory: Path, result: dict[str, Any], metric: str) -> float:
    """An objective's value, nan where the run has none."""
    if metric == ACCURACY:
        return float(result["final"][result["selection"]]["accuracy"])
    value = math.nan
    with (directory / METRICS).open(encoding="utf-8") as file:
        for line in file:
            value = json.loads(line).get(metric, value)
    return float(value)
