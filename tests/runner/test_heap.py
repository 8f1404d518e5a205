"""Memory that was freed is there for what comes next, and what stays free goes back to the system, not too often."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
from reft_lab.runner import heap
# before

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


FETCHING = """
import resource
from reft_lab.runner.heap import keep_freed_memory

def fetched():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(b"x") * 2**26
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

left_alone = [fetched() for _ in range(3)]
keep_freed_memory()
fetched()
print(min(left_alone), max(fetched() for _ in range(3)))
"""


@pytest.fixture
def numbers():
    """Prints of a program as numbers."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library than glibc, which has no such calls")

    def run(program):
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        return map(int, ended.stdout.split())

    return run


def test_a_large_block_is_fetched_once(numbers):
    pages_left_alone, pages = numbers(FETCHING)
    assert pages < 10 < pages_left_alone  # thousands, or as many as there are huge pages


@pytest.mark.parametrize("before", ["", "heap.keep_freed_memory()"])
def test_free_memory_goes_back(numbers, before):
    too_early, handed_back = numbers(PROGRAM.replace("# before", before))
    assert too_early < 1e6
    assert handed_back > 200e6  # of 300 MB, a fiftieth of which is in use
