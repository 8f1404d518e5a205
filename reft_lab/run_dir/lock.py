"""One process to a run directory: a lock that dies with the process that holds it, however it dies."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from reft_lab.errors import BadInput
from reft_lab.run_dir.files import LOCK

PATIENCE = 0.5  # seconds; enough for a holder that is just letting go


class RunLock:
    """The lock on a run directory, held until `release`.

    It is the kernel's (flock): SIGKILL frees it, and processes that this one starts do not inherit it. The file names
    the holder for those who are refused.
    """

    def __init__(self, folder: Path):
        """Take the lock.

        Raises:
            BadInput: another process holds it, or the file system has no locks.
            OSError: the file cannot be written.
        """
        self._file = folder / LOCK
        # A soft lock, which filelock would fall back to, outlives a killed process.
        self._lock = FileLock(self._file, timeout=PATIENCE, thread_local=False, fallback_to_soft=False)
        try:
            self._lock.acquire()
        except Timeout:
            raise BadInput(
                f"the run directory {folder} is in use{_holder(self._file)}; wait until that run ends, or stop it."
            ) from None
        try:
            self._file.write_text(f"process {os.getpid()} on {platform.node()}\n", encoding="utf-8")
        except OSError:
            self.release()
            raise

    def release(self) -> None:
        """Let go, and take the file away."""
        if self._lock.is_locked:
            # While it is held: who opened the file before finds it unlinked once locked, and starts over.
            with suppress(OSError):
                self._file.unlink()
            self._lock.release()


def is_held(directory: Path) -> bool:
    """Whether a process works in a run directory, by its lock, which dies with its owner.

    Nothing is written, so runs of others that one may only read are seen as they are.
    """
    import fcntl

    try:
        with (directory / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False  # closing the file gives the lock back


def _holder(file: Path) -> str:
    try:
        holder = file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
    return f" by {holder}" if holder else ""
