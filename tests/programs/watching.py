"""What tests look at from outside while programs run."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest


def children(pid: int) -> list[int]:
    """Processes that `pid` has started, theirs included."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            own = [int(child) for child in task.read_text().split()]
        except FileNotFoundError:  # the thread has ended
            continue
        for child in own:
            found += [child, *children(child)]
    return found


def own_children(command: str) -> list[int]:
    """Processes under this one whose command line has `command` in it."""
    return [pid for pid in children(os.getpid()) if command in command_line(pid)]


def command_line(pid: int) -> str:
    """The command line of a process; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def status(pid: int, field: str) -> int:
    """A number in /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def peak_mib(pid: int) -> int:
    """The most memory that a process has held."""
    return status(pid, "VmHWM") // 1024


def assert_gone(pids: list[int]) -> None:
    """Each of `pids` ends within seconds (a zombie has ended)."""
    deadline = time.monotonic() + 5
    while any(map(command_line, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [pid for pid in pids if command_line(pid)] == []


def assert_untouched(canary: Path, listener: socket.socket) -> None:
    """Nobody has written to the file or beside it, and nobody has connected."""
    assert canary.read_text() == "untouched"
    assert [file.name for file in canary.parent.iterdir()] == ["file"]
    with pytest.raises(BlockingIOError):
        listener.accept()
