"""The records in W&B's own file of a run: a LevelDB log of protocol-buffer messages, which W&B itself reads in Go only.

The layout is https://github.com/google/leveldb/blob/main/doc/log_format.md with another header and checksum.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from reft_lab.analysis.reading import Say

IDENTITY = b":W&B"
FILE_HEADER, BLOCK, HEADER = 7, 32 * 1024, struct.Struct("<IHB")  # checksum, length, kind
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def read_records(file: Path, say: Say) -> Iterator[Any]:
    """The records of a file, as far as it goes.

    A process that is writing, or that was killed, leaves a last record that is not whole; it is passed over.

    Args:
        file: a `.wandb` file.
        say: told what else is wrong with it.
    """
    from google.protobuf.message import DecodeError
    from wandb.proto import wandb_internal_pb2

    messages: Any = wandb_internal_pb2  # its classes are made at run time
    damaged = 0
    try:
        with file.open("rb") as opened:
            head = opened.read(FILE_HEADER)
            if not head.startswith(IDENTITY):
                say("is empty" if not head else "is not a file of W&B's")
                return
            for message in _messages(opened):
                record = messages.Record()
                try:
                    if message is None:
                        raise DecodeError
                    record.ParseFromString(message)
                except DecodeError:
                    damaged += 1
                    continue
                yield record
    except OSError as error:
        say(f"cannot be read ({error.strerror})")
    if damaged:
        say(f"has {damaged} damaged record{'s' if damaged > 1 else ''}")


def _messages(opened: BinaryIO) -> Iterator[bytes | None]:
    """The messages of a log after its header; None for what is damaged."""
    parts: list[bytes] = []
    block, position = FILE_HEADER.to_bytes(FILE_HEADER) + opened.read(BLOCK - FILE_HEADER), FILE_HEADER
    while len(block) > position:
        while position + HEADER.size <= len(block):
            checksum, length, kind = HEADER.unpack_from(block, position)
            start, position = position + HEADER.size, position + HEADER.size + length
            if (position > len(block) and len(block) < BLOCK) or not (kind or length or checksum):
                return  # torn, or space that was set aside
            chunk = block[start:position]
            if kind not in (FULL, FIRST, MIDDLE, LAST) or checksum != zlib.crc32(chunk, zlib.crc32(bytes([kind]))):
                yield None
                parts = []
                break  # lengths cannot be trusted any more; the next block begins anew
            if kind in (FULL, FIRST):
                parts = []
            elif not parts:
                continue  # the rest of a message whose beginning was damaged
            parts.append(chunk)
            if kind in (FULL, LAST):
                yield b"".join(parts)
                parts = []
        block, position = opened.read(BLOCK), 0
