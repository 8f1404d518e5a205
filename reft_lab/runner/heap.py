"""What the C library does with memory that was freed.

Left to itself, it fetches each block of more than 32 MiB from the system and hands it back at once, and with it the top
of the heap; the system clears all pages before it hands them out again, which took a tenth to a quarter of the CPU time
of an update of SmolLM2-135M. And micro-batches of many sizes leave holes in the heap that the next ones do not fit in:
a run of that model grew by 2 GB in 20 minutes through them, to 8. So memory is kept for the tensors to come, and what
is free all the same goes back now and then.
"""

from __future__ import annotations

import ctypes
import sys
import time
from functools import cache
from typing import Any

EVERY = 20.0  # seconds; it takes some milliseconds for each gigabyte, and as long until the pages are there again
TRIM_THRESHOLD, MMAP_MAX = -1, -4  # of mallopt(3): free bytes at the top that go back; blocks that are fetched apart


def keep_freed_memory() -> None:
    """Let the C library keep what is freed, from here on; does nothing where there is no such call."""
    set_option = _call("mallopt")
    if set_option is not None:
        set_option(MMAP_MAX, 0)
        set_option(TRIM_THRESHOLD, -1)  # none


class Heap:
    """The heap of this process."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def tidy(self) -> None:
        """Hand back what is free, where the last time is long enough ago; does nothing where there is no such call."""
        if time.monotonic() - self._at < EVERY:
            return
        trim = _call("malloc_trim")
        if trim is not None:
            trim(0)
        self._at = time.monotonic()


@cache
def _call(name: str) -> Any:
    """A call of glibc, such as malloc_trim(3); None in another C library."""
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), name, None)
