"""The columns of the frame, the same whatever a run was read from (docs/frame.md)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from reft_lab.analysis.found import Found
from reft_lab.answers.outcome import KINDS
from reft_lab.config.options import KINDS as OPTION_KINDS
from reft_lab.config.options import options
from reft_lab.evaluation.decoded import WAYS, points_of
from reft_lab.methods.base import Cost
from reft_lab.run_dir.files import BASELINE
from reft_lab.run_dir.progress import Doing

if TYPE_CHECKING:
    from pandas import DataFrame

DECODED = ("k", "accuracy", "low", "high")  # of a way to decode from several samples
COUNTS = ("trial", "seed", "step")
STAGES, SPLITS = ("warmup", "final", BASELINE), ("dev", "test")
SCORES = tuple(f"{stage}_{split}" for stage in STAGES for split in SPLITS)
RULES = ("picked_on_dev", "picked_on_test", "inflation")
COSTS = (*(each.name for each in fields(Cost)), "seconds")
PROGRESS = ("share", "left", "accuracy_so_far")  # of a run that has no result yet
NUMBERS = (
    "seconds",
    *PROGRESS,
    *(f"{score}_{part}" for score in SCORES for part in ("accuracy", "n", "low", "high")),
    *RULES,
    *(f"outcome_{kind}" for kind in KINDS),
    *(f"cost_{name}" for name in COSTS),
    *(f"{way}_{part}" for way in WAYS for part in DECODED),
)
CONFIG = "config."
LARGEST = 2**63 - 1  # of the numbers that a column can hold
ORDER = (
    *("run", "directory", "folder", "source", "state", "reason", "name", "study", "trial", "confirm"),
    *("method", "model", "data", "cot", "reward", "seed", "started", "seconds", "step", "selection", "chosen", "doing"),
    *NUMBERS[1:],
)


def table_of(runs: Iterable[Found]) -> DataFrame:
    """One row a run, in the order given, with the columns of docs/frame.md whatever the runs hold."""
    import pandas

    rows = [row_of(found) for found in runs]
    found = dict.fromkeys(key for row in rows for key in row if key.startswith(CONFIG))
    known = [CONFIG + key for key in options()]
    config = [*(key for key in known if key in found), *(key for key in found if key not in known)]
    table = pandas.DataFrame(rows, columns=[*ORDER, *config])
    table["started"] = pandas.to_datetime(table["started"], utc=True)
    types: dict[str, Any] = dict.fromkeys(ORDER, "str") | dict.fromkeys(COUNTS, "Int64")
    types |= dict.fromkeys(NUMBERS, "float64") | {"started": "datetime64[us, UTC]"}
    return table.astype(types)


def row_of(found: Found) -> dict[str, Any]:
    """The row of a run; what it does not have is None or NaN."""
    config, result, place = found.config, found.result, found.place
    row: dict[str, Any] = {
        "run": as_text(found.run),
        "directory": as_text(found.directory),
        "folder": as_text(place.folder),
        "source": found.source,
        "state": found.state,
        "reason": as_text(found.reason),
        "study": as_text(config.get("study.name") or config.get("tracker.group") or place.study),
        "trial": _count(config.get("study.trial"), place.trial),
        "confirm": as_text(found.confirm),
        "model": as_text(config.get("model.name")),
        "data": as_text(config.get("data.name")),
        "cot": as_text(config.get("cot.name")),
        "reward": as_text(config.get("reward.function")),
        "seed": _count(config.get("seed"), result.get("seed")),
        "started": found.started,
        "seconds": _number(_dig(result, "seconds", "total"), found.seconds),
        "step": _count(found.step),
        "chosen": as_text(result.get("chosen")),
        **_progress(found.doing, str(config.get("selection"))),
    }
    row |= {key: as_text(config.get(key) or result.get(key)) for key in ("name", "method", "selection")}
    row["method"] = as_text(config.get("label")) or row["method"]
    for stage in STAGES:
        for split in SPLITS:
            row |= _score(f"{stage}_{split}", _dig(result, stage, split))
    row |= _by_rule(result.get("selection_rules"))
    row |= {f"cost_{name}": _number(_dig(result, "cost", name)) for name in COSTS}
    row |= {f"outcome_{kind}": _number(_dig(result, "outcomes", kind)) for kind in KINDS}
    row |= dict.fromkeys((f"{way}_{part}" for way in WAYS for part in DECODED), math.nan)
    for point in points_of(result):  # the last of each way has the largest k
        row |= {f"{point.way}_{part}": float(getattr(point, part)) for part in DECODED}
    if isinstance(result.get("outcomes"), Mapping):  # kinds without a problem are left out there
        row |= {name: 0.0 for name, value in row.items() if name.startswith("outcome_") and math.isnan(value)}
    floats = _floats()
    for key, value in config.items():
        if isinstance(value, str):
            value = as_text(value)
        row[CONFIG + key] = as_float(value) if key in floats and type(value) is int else value
    return row


def as_float(value: Any) -> float | None:
    """A number as a float; None for what is none, or is too large for one."""
    try:
        return float(value) if type(value) in (int, float) else None
    except OverflowError:
        return None


@cache
def _floats() -> frozenset[str]:
    """Options that are real numbers; W&B gives back 1.0 as 1."""
    return frozenset(key for key, option in options().items() if option.kind == OPTION_KINDS[float])


def _progress(doing: Doing | None, selection: str) -> dict[str, Any]:
    """How far a run is; `selection` is the split whose accuracy is watched."""
    if doing is None:
        return {"doing": None} | dict.fromkeys(PROGRESS, math.nan)
    left = doing.at(datetime.now(UTC)).left
    so_far = doing.numbers.get(selection, math.nan)
    told = f"{doing.title} {doing.count}"
    return {"doing": as_text(told), "share": doing.share, "left": _number(left), "accuracy_so_far": so_far}


def _score(name: str, score: Any) -> dict[str, float]:
    interval = _dig(score, "ci95")
    low, high = interval if isinstance(interval, list) and len(interval) == 2 else (None, None)
    return {
        f"{name}_accuracy": _number(_dig(score, "accuracy")),
        f"{name}_n": _number(_dig(score, "n")),
        f"{name}_low": _number(low),
        f"{name}_high": _number(high),
    }


def _by_rule(rules: Any) -> dict[str, float]:
    by_dev, by_test = (_number(_dig(rules, split, "accuracy")) for split in ("dev", "test"))
    return dict(zip(RULES, (by_dev, by_test, by_test - by_dev), strict=True))


def _dig(value: Any, *keys: str) -> Any:
    """What is at the end of `keys`, None where the way there is not as it should be."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _number(*candidates: Any) -> float:
    """The first that is a number, else NaN."""
    for each in candidates:
        if (number := as_float(each)) is not None:
            return number
    return math.nan


def _count(*candidates: Any) -> int | None:
    """The first that is a whole number, else None."""
    return next((each for each in candidates if type(each) is int and abs(each) <= LARGEST), None)


def as_text(value: Any) -> str | None:
    """As text that a frame can hold: names of files, and YAML, may have halves of surrogate pairs."""
    return None if value is None else str(value).encode("utf-8", "replace").decode()
