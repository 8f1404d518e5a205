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
    """The logged steps of a run folder of W&B, in the order they were logged, without W&B's own columns but `step`."""
    (file,) = folder.glob("*.wandb")
    rows = []
    for record in _records(file.read_bytes()):
        if record.WhichOneof("record_type") == "history":
            items = {"/".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
            row = {name: json.loads(value) for name, value in items.items() if not name.startswith("_")}
            rows.append({"step": record.history.step.num} | row)
    return rows


def exit_code(folder: Path) -> int:
    """How the run ended."""
    (file,) = folder.glob("*.wandb")
    (code,) = [r.exit.exit_code for r in _records(file.read_bytes()) if r.WhichOneof("record_type") == "exit"]
    return int(code)


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
