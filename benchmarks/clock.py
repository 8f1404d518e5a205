"""CPU seconds and memory of this process and all that it started. Standard library only: every side uses it."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MIB = 2**20


@dataclass(frozen=True)
class Turn:
    """One measured piece of work.

    Attributes:
        work: how much was done, in the benchmark's unit (tokens, samples, programs).
        cpu: CPU seconds of the process and its children, of all threads.
        wall: wall-clock seconds.
        extra: MiB of memory at its peak above what was held before; 0 where the system does not tell.
    """

    work: float
    cpu: float
    wall: float
    extra: float = 0.0


def timed(job: Callable[[], float], trim: bool = False) -> Turn:
    """Do `job`, which returns how much work it was.

    Args:
        job: the work.
        trim: whether memory that was freed and kept for later is given back first. It would count as held before, and
            `extra` would come out too low; without it the work need not fetch it again.
    """
    if trim:
        give_back()
    before = reset_peak()
    cpu, wall = cpu_seconds(), time.perf_counter()
    work = job()
    wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
    return Turn(work, cpu, wall, max(0.0, memory("VmHWM") - before))


def cpu_seconds() -> float:
    """CPU seconds so far of this process, of children that ended, and of descendants that are running."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime + _running_descendants()


def memory(entry: str) -> float:
    """MiB of an entry of /proc/self/status (VmRSS now, VmHWM at its peak); 0 where there is none."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(entry + ":")), 0.0)


def give_back() -> None:
    """Return memory that is free to the system, where the C library is one that can."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def reset_peak() -> float:
    """Make VmHWM start anew; returns the MiB held now."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return memory("VmHWM")  # cannot be reset: what comes on top of the old peak still shows
    return memory("VmRSS")


def _running_descendants() -> float:
    ticks, parent = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        pid = int(folder.name)
        parent[pid], ticks[pid] = int(fields[1]), sum(map(int, fields[11:15]))
    ours, newest = {os.getpid()}, {os.getpid()}
    while newest:
        newest = {pid for pid, above in parent.items() if above in newest} - ours
        ours |= newest
    return sum(ticks[pid] for pid in ours - {os.getpid()} if pid in ticks) / os.sysconf("SC_CLK_TCK")
