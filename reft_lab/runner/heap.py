"""What the C library keeps of memory that was freed, handed back to the system now and then.

Micro-batches of many sizes leave holes in the heap that the next ones do not fit in. A run of SmolLM2-135M on a CPU
grew by 2 GB in 20 minutes through them, to 8.
"""

from __future__ import annotations

import ctypes
import sys
import time
from functools import cache
from typing import Any

EVERY = 20.0  # seconds; it takes some milliseconds for each gigabyte, and as long until the pages are there again


class Heap:
    """The heap of this process."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def tidy(self) -> None:
        """Hand back what is free, where the last time is long enough ago; does nothing where there is no such call."""
        if time.monotonic() - self._at < EVERY:
            return
        trim = _trim()
        if trim is not None:
            trim(0)
        self._at = time.monotonic()


@cache
def _trim() -> Any:
    """glibc's malloc_trim(3); None in another C library."""
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
