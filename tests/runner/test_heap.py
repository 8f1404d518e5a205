"""Memory that was freed is there for what comes next, and what stays free goes back to the system, not too often."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# The module alone: its package would bring torch, whose memory is of no interest here.
LOAD = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("heap", sys.argv[1])
heap = importlib.util.module_from_spec(spec)
spec.loader.exec_module(heap)
"""

PROGRAM = """
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

def fetched():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(b"x") * 2**26
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

left_alone = [fetched() for _ in range(3)]
heap.keep_freed_memory()
fetched()
print(min(left_alone), max(fetched() for _ in range(3)))
"""


@pytest.fixture
def numbers(repo):
    """Prints of a program that has `heap` as numbers."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library than glibc, which has no such calls")

    def run(program):
        command = [sys.executable, "-c", LOAD + program, repo / "reft_lab" / "runner" / "heap.py"]
        ended = subprocess.run(command, capture_output=True, text=True, check=True)
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
