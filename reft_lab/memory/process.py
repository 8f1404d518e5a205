"""What this process holds of the memory that a device has, and how much it could have."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reft_lab.ranks.start import Start

STATUS, CLEAR = Path("/proc/self/status"), "/proc/self/clear_refs"
GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Room:
    """What this process may hold on a device, what it holds already included.

    Attributes:
        where: for people: `the GPU`.
        size: bytes.
    """

    where: str
    size: int

    def shared(self, processes: int) -> Room:
        """What each of so many processes has of it, where they are all in it."""
        if processes == 1:
            return self
        return Room(f"one of {processes} equal parts of {self.where}", self.size // processes)


def sharers(device: str, devices: int) -> int:
    """How many processes of a run of `devices` of them have one memory: those on this machine, where that is RAM."""
    if device == "cuda" or devices == 1:
        return 1
    start = Start.of_this_process()
    return devices if start is None else start.local_size


def room(device: str) -> Room:
    """What is there for this process, as things stand: the memory of a GPU, or RAM and the limits set on it."""
    if device == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info()
        return Room("the GPU", free + torch.cuda.memory_reserved())
    rooms = [Room("this machine's RAM as it is used now", held() + _available())]
    rooms += [Room("the RAM that this container may take", size) for size in _limits()]
    return min(rooms, key=lambda each: each.size)


def whole(device: str) -> Room:
    """All that a process could ever hold, with nothing else at work: the memory of a GPU, or RAM or the limit on it."""
    if device == "cuda":
        import torch

        return Room("the GPU", torch.cuda.get_device_properties(0).total_memory)
    ram = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    rooms = [Room("this machine", ram)]
    rooms += [Room("this container", size) for size in _limits(left=False)]
    return min(rooms, key=lambda each: each.size)


def held() -> int:
    """Bytes of RAM that this process holds."""
    with suppress(OSError):
        if found := re.search(r"^VmRSS:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE):
            return 1024 * int(found[1])
    return peak()


def give_back() -> None:
    """Let the C library give back what was freed, as far as it can; else that would count as held."""
    with suppress(OSError, AttributeError):  # glibc alone has it
        ctypes.CDLL(None).malloc_trim(0)


def peak() -> int:
    """Most bytes of RAM that it held, since `begin_anew` where the system can do that."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def begin_anew() -> None:
    """Let `peak` count from now on; only Linux can."""
    with suppress(OSError):
        file = os.open(CLEAR, os.O_WRONLY)
        try:
            os.write(file, b"5")
        finally:
            os.close(file)


def _available() -> int:
    """Bytes of RAM that nobody holds, or that the system would give up."""
    with suppress(OSError):
        if found := re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE):
            return 1024 * int(found[1])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _limits(*, left: bool = True) -> list[int]:
    """What this process may hold within each control group with a limit that it is in (cgroups, both versions): what is
    `left` of the limit, or all of it."""
    found = []
    with suppress(OSError):
        for entry in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = entry.split(":", 2)
            if controllers == "":
                top, names = GROUPS, ("memory.max", "memory.current")
            elif "memory" in controllers.split(","):
                top, names = GROUPS / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes")
            else:
                continue
            own = top / path.strip("/")
            for folder in (own, *own.parents):
                if not folder.is_relative_to(top):
                    continue
                size = _left(folder, *names) if left else _limit(folder, names[0])
                if size is not None:
                    found.append(size)
    return found


def _limit(folder: Path, name: str) -> int | None:
    """The limit of a control group; None where there is none."""
    try:
        return int((folder / name).read_text())
    except (OSError, ValueError):  # `max`
        return None


def _left(folder: Path, limit: str, usage: str) -> int | None:
    """What is left of the limit of a control group with what this process holds; None where there is no limit."""
    try:
        most, used = int((folder / limit).read_text()), int((folder / usage).read_text())
        cached = re.search(r"^(?:total_)?inactive_file (\d+)$", (folder / "memory.stat").read_text(), re.MULTILINE)
    except (OSError, ValueError):  # `max`
        return None
    return most - used + (int(cached[1]) if cached else 0) + held()
