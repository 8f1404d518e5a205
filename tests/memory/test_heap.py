"""Memory that was freed is there for what comes next; what stays free goes back where a process has grown."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

GROWING = """
# before

def step(count):
    pieces = [bytearray(60_000) for _ in range(count)]  # too small to be mapped on their own
    return pieces[::50]

own = heap.Heap()
kept = [step(5_000)]
own.tidy()
usual = held()
kept.append(step(20_000))
grown = held()
own.tidy()
early = held()
heap.EVERY = 0
own.tidy()
handed_back = grown - held()
kept.append(step(20_000))
again = held()
own.tidy()  # what is usual now
own.tidy()
print(grown - early, handed_back, again - held())
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
    """Prints of a program that has `heap` and `held` as numbers."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library than glibc, which has no such calls")

    def run(program):
        program = "from reft_lab.memory import heap\nfrom reft_lab.memory.process import held\n" + program
        ended = subprocess.run([sys.executable, "-c", program], cwd=repo, capture_output=True, text=True, check=True)
        return map(int, ended.stdout.split())

    return run


def test_a_large_block_is_fetched_once(numbers):
    pages_left_alone, pages = numbers(FETCHING)
    assert pages < 10 < pages_left_alone  # thousands, or as many as there are huge pages


@pytest.mark.parametrize("before", ["", "heap.keep_freed_memory()"])
def test_free_memory_goes_back_where_a_process_has_grown(numbers, before):
    too_early, handed_back, as_usual = numbers(GROWING.replace("# before", before))
    assert too_early < 1e6
    assert handed_back > 800e6  # of 1.5 GB, a fiftieth of which is in use
    assert as_usual < 1e6  # it has not grown since then
