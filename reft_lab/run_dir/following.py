"""A file of JSON lines that another process writes, followed as it grows: nothing is read twice."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from reft_lab.run_dir.reading import whole_line


class Following:
    """One such file; it may be missing still, and is cut back when the run is resumed."""

    def __init__(self, file: Path, *, tail: int | None = None):
        """`tail` bytes before its end are where reading begins; None: at the beginning."""
        self._file, self._tail = file, tail
        self._inode, self._offset = -1, 0

    def new(self) -> tuple[list[dict[str, Any]], bool]:
        """The lines that were added since the last call, and whether they are all there is: the file was written anew.

        A last line that is not whole is left for later; damaged ones are passed over.
        """
        try:
            with self._file.open("rb") as opened:
                now = os.fstat(opened.fileno())
                anew = now.st_ino != self._inode or now.st_size < self._offset
                if anew:
                    self._inode = now.st_ino
                    self._offset = 0 if self._tail is None else max(0, now.st_size - self._tail)
                opened.seek(self._offset)
                if anew and self._offset:
                    self._offset += len(opened.readline())  # the rest of a line
                text = opened.read()
        except OSError:
            return [], False
        end = text.rfind(b"\n") + 1
        self._offset += end
        lines = (whole_line(line) for line in text[:end].splitlines(keepends=True))
        return [line for line in lines if line is not None], anew
