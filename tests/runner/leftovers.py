"""What runs leave behind, read and compared."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from reft_lab.metrics import is_measured

MEASURED = ("seconds", "memory", "speed")  # parts of result.json


def result_of(directory: Path) -> dict[str, Any]:
    """The result of a run."""
    found: dict[str, Any] = json.loads((directory / "result.json").read_text())
    return found


def lines_of(directory: Path, name: str = "metrics.jsonl") -> list[dict[str, Any]]:
    """The records of one of a run's files."""
    return [json.loads(line) for line in (directory / name).read_text().splitlines()]


def outcome(path: Path) -> dict[str, Any]:
    """Everything a run leaves behind that must not depend on how often it was stopped: all that is not measured."""
    result = result_of(path)
    result["cost"].pop("seconds")
    found: dict[str, Any] = {"result.json": {key: result[key] for key in result if key not in MEASURED}}
    found["metrics.jsonl"] = [
        {name: value for name, value in record.items() if not is_measured(name)} for record in lines_of(path)
    ]
    for name in ("samples.jsonl", "predictions.jsonl"):
        found[name] = (path / name).read_text()
    for file in sorted((path / "checkpoints").glob("*/*")):
        name = file.relative_to(path).as_posix()
        if name == "checkpoints/last/state.json":
            state = json.loads(file.read_text())
            found[name] = {key: state[key] for key in state if key not in (*MEASURED, "elapsed", "times", "peaks")}
        elif file.is_file() and name != "checkpoints/last/manifest.json" and "/step-" not in name:
            found[name] = hashlib.sha256(file.read_bytes()).hexdigest()
    if (path / "baseline_sft").exists():
        found["baseline_sft"] = outcome(path / "baseline_sft")
    return found


def assert_same(path: Path, other: Path) -> None:
    """Two runs left the same behind."""
    one, two = outcome(path), outcome(other)
    assert "checkpoints/best/model.safetensors" in one
    assert "checkpoints/last/state.safetensors" in one
    assert _differences(one, two) == []


def _differences(one: Any, two: Any, where: str = "") -> list[str]:
    if isinstance(one, dict) and isinstance(two, dict):
        return [
            text
            for key in one.keys() | two.keys()
            for text in _differences(one.get(key), two.get(key), f"{where}/{key}")
        ]
    if isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        return [
            text for i, pair in enumerate(zip(one, two, strict=True)) for text in _differences(*pair, f"{where}/{i}")
        ]
    return [] if one == two else [f"{where}: {str(one)[:80]} != {str(two)[:80]}"]
