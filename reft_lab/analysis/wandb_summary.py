"""What W&B holds of a run, put as the run directory has it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from reft_lab.analysis.found import CRASHED, FAILED, FINISHED, INTERRUPTED, RUNNING, STATUSES
from reft_lab.analysis.schema import COSTS, SPLITS, STAGES
from reft_lab.answers.outcome import KINDS
from reft_lab.evaluation.score import score

DECODED = re.compile(r"result/decoding/(\w+)/(\d+)_accuracy")
INTERNAL = "_"  # W&B's own columns begin with it
STATE_OF = {"finished": FINISHED, "failed": FAILED, "crashed": CRASHED, "killed": INTERRUPTED, "preempted": INTERRUPTED}


def result_of(summary: Mapping[str, Any]) -> dict[str, Any]:
    """result.json, as far as the summary of a W&B run has it."""
    result: dict[str, Any] = {key: summary.get(key) for key in ("status", "reason", "chosen")}
    for stage in STAGES:
        result[stage] = {split: _score(summary, f"result/{stage}/{split}") for split in SPLITS}
    of = _count(summary.get("result/final/test_n"))
    shares = {kind: _share(summary.get(f"result/outcome/{kind}")) for kind in KINDS}
    counts = {kind: round(share * of) for kind, share in shares.items() if share is not None and of is not None}
    if counts:
        result["outcomes"] = counts
    rules = {split: _score(summary, f"result/selection_rules/{split}") for split in SPLITS}
    result["selection_rules"] = rules | {"candidates": summary.get("result/selection_rules/candidates")}
    result["cost"] = {name: summary.get(f"result/cost/{name}") for name in COSTS}
    for name, accuracy in summary.items():
        if (found := DECODED.fullmatch(name)) and _share(accuracy) is not None:
            way, k = found.groups()
            start = name.removesuffix("accuracy")
            bounds = [_share(summary.get(f"{start}{bound}")) for bound in ("low", "high")]
            point = {"accuracy": accuracy, "n": _count(summary.get(f"{start}n")), "ci95": bounds}
            result.setdefault("decoding", {}).setdefault(way, {})[k] = point
    return result | {"seconds": {"total": summary.get("result/seconds")}}


def state_of(wandb_state: str, summary: Mapping[str, Any]) -> tuple[str, str | None]:
    """Our state of a run, and the sentence on it.

    Args:
        wandb_state: how W&B sees it: running, pending, finished, failed, crashed, killed, preempting, preempted.
        summary: its summary. A resumed run still has the `status` of the session before.
    """
    state = STATE_OF.get(wandb_state, RUNNING)
    if state == RUNNING:
        return RUNNING, None
    if state == CRASHED:
        return CRASHED, "W&B has not heard of its end."
    status, reason = summary.get("status"), summary.get("reason")
    if status not in STATUSES:
        return state, None
    return str(status), None if reason is None else str(reason)


def metrics_of(row: Mapping[str, Any], step: int) -> dict[str, Any]:
    """A line of metrics.jsonl from a row of W&B's history, in which `samples.nrows` is a part of a table."""
    own = row.get("step")
    line = {name: value for name, value in row.items() if not name.startswith(INTERNAL) and "." not in name}
    return line | {"step": own if type(own) is int else step}


def time_of(text: Any) -> datetime | None:
    """A time as W&B writes it, which is UTC where it says nothing; None for what is no time."""
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _score(summary: Mapping[str, Any], name: str) -> dict[str, Any]:
    accuracy, of = _share(summary.get(f"{name}_accuracy")), _count(summary.get(f"{name}_n"))
    if accuracy is None or of is None:
        return {"accuracy": accuracy}
    return {"accuracy": accuracy, "n": of, "ci95": list(score(round(accuracy * of), of).ci95)}


def _share(value: Any) -> float | None:
    return value if type(value) in (int, float) and 0 <= value <= 1 else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and 1 <= value < 2**31 else None
