"""Memory that is free goes back to the system, and not too often."""

from __future__ import annotations

import subprocess
import sys

import pytest

from reft_lab.runner import heap

PROGRAM = """
from reft_lab.runner import heap

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

pieces = [bytearray(60_000) for _ in range(5_000)]  # too small to be mapped on their own
kept = pieces[::50]
del pieces
before, own = resident(), heap.Heap()
own.tidy()
early = resident()
heap.EVERY = 0
own.tidy()
print(before - early, before - resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a call of Linux's C library")
def test_free_memory_goes_back():
    if heap._trim() is None:
        pytest.skip("another C library than glibc, without malloc_trim")
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    too_early, handed_back = map(int, ended.stdout.split())
    assert too_early < 1e6
    assert handed_back > 200e6  # of 300 MB, a fiftieth of which is in use
