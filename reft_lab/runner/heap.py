"""What the C library does with memory that was freed."""

from __future__ import annotations

import ctypes
from contextlib import suppress

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # mallopt(3): free memory at the top of the heap that is given back; mapped blocks


def keep_freed_memory() -> None:
    """Let the C library keep what is freed for the tensors to come, where it is one that can be told to (glibc).

    As it comes, it has each block of more than 32 MiB from the system and gives it back at once, and with it the top of
    the heap. The system clears all pages before it hands them out again: a tenth to a quarter of the CPU time of an
    update of SmolLM2-135M. A run's peak stays what it was, and it holds on to it.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(MMAP_MAX, 0)
        library.mallopt(TRIM_THRESHOLD, -1)
