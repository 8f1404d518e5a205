"""What W&B holds of a run, put as the run directory has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reft_lab.analysis.found import CRASHED, FAILED, FINISHED, INTERRUPTED, RUNNING, STATUSES
from reft_lab.analysis.schema import SPLITS, STAGES
from reft_lab.answers.outcome import KINDS
from reft_lab.evaluation.score import score

INTERNAL = "_"  # W&B's own columns begin with it
STATE_OF = {"finished": FINISHED, "failed": FAILED, "crashed": CRASHED, "killed": INTERRUPTED, "preempted": INTERRUPTED}


def result_of(summary: Mapping[str, Any]) -> dict[str, Any]:
    """result.json, as far as the summary of a W&B run has it."""
    result: dict[str, Any] = {key: summary.get(key) for key in ("status", "reason", "chosen")}
    for stage in STAGES:
        result[stage] = {split: _score(summary, f"result/{stage}/{split}") for split in SPLITS}
    shares = {kind: summary.get(f"result/outcome/{kind}") for kind in KINDS}
    count = summary.get("result/final/test_n")
    if isinstance(count, int) and any(share is not None for share in shares.values()):
        result["outcomes"] = {kind: round(share * count) for kind, share in shares.items() if share is not None}
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
    return line | {"step": int(own) if isinstance(own, int | float) else step}


def _score(summary: Mapping[str, Any], name: str) -> dict[str, Any]:
    accuracy, count = summary.get(f"{name}_accuracy"), summary.get(f"{name}_n")
    if not isinstance(accuracy, int | float) or not isinstance(count, int) or count < 1:
        return {"accuracy": accuracy}
    return {"accuracy": accuracy, "n": count, "ci95": list(score(round(accuracy * count), count).ci95)}
