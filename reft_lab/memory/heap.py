"""What the C library does with memory that was freed.

Left to itself, it fetches each block of more than 32 MiB from the system and hands it back at once, and with it the top
of the heap; the system clears all pages before it hands them out again, which took a tenth to a quarter of the CPU time
of an update of SmolLM2-135M. So memory is kept for the tensors to come. But micro-batches of many sizes leave holes in
the heap that the next ones do not fit in: a run of that model grew by 2 GB in 20 minutes through them, to 8. So what is
free goes back where a process has grown, and not more often, since all pages must then be cleared once more: 16 of the
64 seconds of an iteration of that model.
"""

from __future__ import annotations

import ctypes
import sys
import time

from reft_lab.memory.process import give_back, held

GROWN = 1.25  # times what was held before
EVERY = 120.0  # seconds at least from one time to the next
TRIM_THRESHOLD, MMAP_MAX = -1, -4  # of mallopt(3): free bytes at the top that go back; blocks that are fetched apart


def keep_freed_memory() -> None:
    """Let the C library keep what is freed, from here on; does nothing where there is no such call."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if set_option is not None:
        set_option(MMAP_MAX, 0)
        set_option(TRIM_THRESHOLD, -1)  # none


def fetch(size: int) -> None:
    """Have so many bytes in the heap, cleared by the system, for what is timed next."""
    import torch

    torch.ones(size, dtype=torch.uint8)


class Heap:
    """The heap of this process, while steps of one kind follow each other."""

    def __init__(self) -> None:
        self._at = time.monotonic()
        self.begin()

    def begin(self) -> None:
        """What comes now takes another amount of memory."""
        self._usual: int | None = None  # held after the first step, and after the first once free memory went back

    def tidy(self) -> None:
        """A step is over: hand back what is free, where the process has grown and the last time is long enough ago."""
        if self._usual is None:
            self._usual = held()
        elif time.monotonic() - self._at >= EVERY and held() > GROWN * self._usual:
            give_back()
            self._at = time.monotonic()
            self.begin()
