"""Reads the files that W&B writes: a LevelDB log of protocol-buffer records."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BLOCK, FILE_HEADER, HEADER = 32 * 1024, 7, struct.Struct("<IHB")
FULL, FIRST, LAST = 1, 2, 4


def history(folder: Path) -> list[dict[str, Any]]:
    """The logged steps of a run folder of W&B, in the order they were logged, without W&B's own columns but `step`.

    Tables of samples are left out; `tables` reads them.
    """
    rows = []
    for row in _rows(folder):
        rows.append(
            {name: x for name, x in row.items() if not name.startswith("_") and not name.startswith("samples/")}
        )
    return rows


def tables(folder: Path) -> dict[int, list[dict[str, Any]]]:
    """The tables of samples of a run folder of W&B, by the step they were logged at, one dictionary a row."""
    found = {}
    for row in _rows(folder):
        if "samples/path" in row:
            found[row["step"]] = rows_of(json.loads((folder / "files" / row["samples/path"]).read_text()))
    return found


def rows_of(table: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a table as W&B writes it to a file."""
    return [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]


def run_record(folder: Path) -> Any:
    """What the run was made with: its group, job type, tags."""
    (file,) = folder.glob("*.wandb")
    return [r.run for r in _records(file.read_bytes()) if r.WhichOneof("record_type") == "run"][-1]


def metrics(folder: Path) -> dict[str, Any]:
    """How metrics were defined, by name or by beginning (`*`)."""
    (file,) = folder.glob("*.wandb")
    found = [r.metric for r in _records(file.read_bytes()) if r.WhichOneof("record_type") == "metric"]
    return {metric.name or metric.glob_name: metric for metric in found}


def artifacts(folder: Path) -> list[Any]:
    """The artifacts to be uploaded."""
    (file,) = folder.glob("*.wandb")
    return [r.artifact for r in _records(file.read_bytes()) if r.WhichOneof("record_type") == "artifact"]


def system_metrics(folder: Path) -> set[str]:
    """Names of the system metrics that were recorded."""
    (file,) = folder.glob("*.wandb")
    stats = [r.stats for r in _records(file.read_bytes()) if r.WhichOneof("record_type") == "stats"]
    return {item.key for one in stats for item in one.item}


def exit_code(folder: Path) -> int:
    """How the run ended."""
    (file,) = folder.glob("*.wandb")
    (code,) = [r.exit.exit_code for r in _records(file.read_bytes()) if r.WhichOneof("record_type") == "exit"]
    return int(code)


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    (file,) = folder.glob("*.wandb")
    for record in _records(file.read_bytes()):
        if record.WhichOneof("record_type") == "history":
            items = {"/".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
            yield {name: json.loads(value) for name, value in items.items()} | {"step": record.history.step.num}


def _records(data: bytes) -> Iterator[Any]:
    from wandb.proto import wandb_internal_pb2

    position, parts = FILE_HEADER, b""
    while position + HEADER.size <= len(data):
        left = BLOCK - position % BLOCK
        if left < HEADER.size:
            position += left
            continue
        _, length, kind = HEADER.unpack_from(data, position)
        position += HEADER.size
        chunk = data[position : position + length]
        if len(chunk) < length or not kind:
            return  # the process was killed while it wrote
        position += length
        parts = chunk if kind in (FULL, FIRST) else parts + chunk
        if kind in (FULL, LAST):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            yield record
