"""Memory that was freed is there for what comes next."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
from reft_lab.runner.heap import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = bytearray(b"x") * 2**26
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

as_it_comes = [faults() for _ in range(3)]
keep_freed_memory()
first, *others = [faults() for _ in range(3)]
print(min(as_it_comes), max(others))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is another C library")
def test_a_large_block_is_not_fetched_from_the_system_again() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    as_it_comes, kept = map(int, done.stdout.split())
    assert kept < 20 < as_it_comes
