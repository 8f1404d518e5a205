"""Disks that fill up or fail under a run."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from reft_lab.errors import RunFailed
from reft_lab.run_dir.files import RESERVE
from reft_lab.sealed import sync_folder

ADVICE = {
    errno.ENOSPC: "free some space on its disk",
    errno.EDQUOT: "free some of your disk quota",
    errno.EFBIG: "raise the limit on the size of files (`ulimit -f`)",
    errno.EROFS: "make its file system writable again",
    errno.EIO: "see to its disk",
}
RESERVED_BYTES = 64 * 1024


@contextmanager
def explained(path: Path, run: Path) -> Iterator[None]:
    """Inside, an error of the file system becomes one sentence on `path`, which the run in the directory `run` writes.

    Raises:
        RunFailed: `path` could not be written.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError):
            number = error.errno
        else:  # safetensors writes the number into its message
            found = re.search(r"\(os error (\d+)\)", str(error))
            number = int(found[1]) if found else None
        if number is None:
            raise
        advice = ADVICE.get(number, "make it writable")
        raise RunFailed(f"{path} cannot be written ({os.strerror(number)}); {advice}, then resume={run}.") from error


class Reserve:
    """A file that holds some space of the disk back, to be given up when the rest is full."""

    def __init__(self, folder: Path):
        """Take the space.

        Raises:
            OSError: there is not so much of it.
        """
        self._file = folder / RESERVE
        with self._file.open("wb") as file:
            file.write(os.urandom(RESERVED_BYTES))  # zeros would take no space where the file system compresses
            file.flush()
            os.fsync(file.fileno())

    def give_up(self) -> None:
        """Make the space free."""
        with suppress(OSError):
            self._file.unlink()


def write_whole(file: FileIO, data: bytes) -> None:
    """Write to a file that is open for appending without a buffer: all of `data`, or nothing.

    Raises:
        OSError: the disk refused.
    """
    left = memoryview(data)
    size = os.fstat(file.fileno()).st_size
    try:
        while left:
            left = left[file.write(left) :]
    except OSError:
        with suppress(OSError):
            file.truncate(size)
        raise


def replace(path: Path, text: str, *, lasting: bool = True) -> None:
    """Write a whole file, so that `path` holds what it held or all of `text`, if `lasting` also after a power cut.

    Raises:
        OSError: it cannot be written; nothing is left beside it.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")  # two sweeps of one study may write its page at once
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
    if lasting:
        sync_folder(path.parent)
