"""A file of JSON lines that only grows while a run goes, and is cut back when the run is resumed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reft_lab.run_dir import disk
from reft_lab.run_dir.reading import whole_line
from reft_lab.sealed import sync_folder


class LineFile:
    """One such file, open for appending."""

    def __init__(self, path: Path):
        self.path = path
        self._file = path.open("ab", buffering=0)

    def append(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Write one line a record; all of them or, where the disk refuses, none.

        Raises:
            OSError: the disk refused.
        """
        disk.write_whole(self._file, "".join(line(record) for record in records).encode())

    def cut(self, step: int) -> int:
        """Keep the lines up to `step` only. The file is replaced in one piece, so a kill leaves the old or the new one.

        Lines that are not whole JSON objects with a step are left out as well; a process that was killed may leave one
        at the end.

        Returns:
            How many damaged lines were left out, the last one not counted.

        Raises:
            OSError: the disk refused.
        """
        part = self.path.with_name(f".{self.path.name}.part")
        damaged = 0
        try:
            with self.path.open("rb") as old, part.open("wb") as new:
                for text in old:
                    found = _step(text)
                    if found is not None and found <= step:
                        new.write(text)
                    damaged += found is None and text.endswith(b"\n")
                new.flush()
                os.fsync(new.fileno())
        except OSError:
            part.unlink(missing_ok=True)
            raise
        self.close()
        part.replace(self.path)
        sync_folder(self.path.parent)
        self._file = self.path.open("ab", buffering=0)
        return damaged

    def sync(self) -> None:
        """Have everything on the disk itself, safe from a power cut.

        Raises:
            OSError: the disk refused.
        """
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """No more lines."""
        self._file.close()


def line(record: Mapping[str, Any]) -> str:
    """`record` as one line of JSON."""
    return json.dumps(record, ensure_ascii=False) + "\n"


def _step(text: bytes) -> int | None:
    """The step of a line; None where it is not a whole one."""
    step = (whole_line(text) or {}).get("step")
    return step if type(step) is int else None
