"""Run directories as a run leaves them behind, written by hand: what is compared and listed can be chosen."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from reft_lab.compose.conf import compose, register_schema
from reft_lab.config.check import check
from reft_lab.evaluation.score import score

PROBLEMS = 10


def write_run(
    directory: Path,
    *overrides: str,
    right: Collection[int] | None = range(5),
    status: str = "finished",
    minutes_ago: float = 10,
    asked: int = 1,
) -> Path:
    """A run directory.

    Args:
        directory: where it goes.
        overrides: what the experiment is.
        right: the test problems, of PROBLEMS, that it answers right; None: no result was left.
        status: as in result.json.
        minutes_ago: when it began.
        asked: a number in its test questions.
    """
    register_schema()
    config = compose(*overrides)
    directory.mkdir(parents=True)
    (directory / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.structured(check(config))))
    started = (datetime.now(UTC) - timedelta(minutes=minutes_ago)).isoformat()
    _write(directory / "passport.json", {"started": started, "seed": config.seed})
    (directory / "metrics.jsonl").write_text('{"step": 1, "seconds": 0.5, "eval/accuracy": 0.5}\n')
    if right is None:
        return directory
    result: dict[str, Any] = {
        "status": status,
        "reason": None if status == "finished" else "it was told to.",
        "name": config.name,
        "method": config.method,
        "seed": config.seed,
        "selection": config.selection,
        "seconds": {"total": 61.0},
    }
    if status == "finished":
        final = _score(len(right))
        result |= {"warmup": {"dev": _score(2), "test": _score(2)}, "final": {"dev": final, "test": final}}
        result |= {"baseline_sft": None, "outcomes": {"correct": len(right), "wrong": PROBLEMS - len(right)}}
        with (directory / "predictions.jsonl").open("w") as file:
            for problem in range(PROBLEMS):
                outcome = "correct" if problem in right else "wrong"
                before = "correct" if problem < 2 else "wrong"
                line = {"id": f"p{problem}", "question": f"{problem} and {asked}?", "outcome": outcome}
                file.write(json.dumps(line | {"warmup": {"answer": "1", "outcome": before}}) + "\n")
    _write(directory / "result.json", result)
    return directory


def _score(correct: int) -> dict[str, Any]:
    return score(correct, PROBLEMS).as_json()


def _write(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content))
