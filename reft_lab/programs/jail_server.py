"""The jail's server: forks one confined process for each program. Started by jail.py, as a script of its own.

It shares nothing with its trainer, and of reft_lab it imports only jail_world.py, which loads what programs may import.
Then it forks for every program; the fork confines itself before it reads the program.

On its standard input: the setup as JSON, then programs, each as `SIZE` and UTF-8 text. On its standard output: `ANSWER`
once it is ready, then one `ANSWER` for each program.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import select
import signal
import struct
import sys
import time
from collections.abc import Callable
from typing import NoReturn

SIZE = struct.Struct("=I")
RECORD = struct.Struct("=Bd")  # what a fork writes: code, value
ANSWER = struct.Struct("=BBd")  # what the server writes: how the fork ended, then its record
# How a fork ended: the number of a signal, or one of these.
FINISHED, OVERTIME, MALFORMED, UNCONFINED = 0, 253, 254, 255

PIPE = 3  # the fork's end of its pipe, its only open file
_MOST_FILES = 64
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _SECCOMP_MODE_FILTER = 1, 22, 38, 2
_now = time.monotonic  # the real clock; jail_world stops the others


class Stop(BaseException):
    """The trainer has gone."""


def main() -> None:
    """Serve until the trainer closes its end of the pipe."""
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    setup = json.loads(_read(requests, SIZE.unpack(_read(requests, SIZE.size))[0]))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_MOST_FILES, _MOST_FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    walls = Walls(bytes.fromhex(setup["filter"]), setup["memory"] << 20, setup["timeout"])
    watch_parent(setup["trainer"], lambda: os._exit(0))
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    import jail_world

    sys.path.pop()
    judge = jail_world.prepare(setup)
    gc.collect()
    gc.freeze()
    os.write(replies, ANSWER.pack(FINISHED, 0, 0.0))
    while True:
        program = _read(requests, SIZE.unpack(_read(requests, SIZE.size))[0]).decode()
        os.write(replies, serve(program, judge, walls, requests, setup["timeout"]))


def serve(
    program: str, judge: Callable[[str], tuple[int, float]], walls: Walls, requests: int, timeout: float
) -> bytes:
    """Run one program in a fork of its own and report how it ended."""
    source, sink = os.pipe()
    server = os.getpid()
    deadline = _now() + timeout
    pid = os.fork()
    if pid == 0:
        _confined(program, judge, walls, sink, server)
    os.close(sink)
    record = b""
    try:
        poll = select.poll()
        poll.register(source, select.POLLIN)
        poll.register(requests, 0)  # reports only that the other end is closed
        while len(record) <= RECORD.size:
            ready = dict(poll.poll(max(0.0, deadline - _now()) * 1000))
            if requests in ready:
                raise Stop
            if not ready:
                return ANSWER.pack(OVERTIME, 0, 0.0)
            part = os.read(source, RECORD.size + 1)
            if not part:
                break
            record += part
        else:
            return ANSWER.pack(MALFORMED, 0, 0.0)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        pid = 0
        if status < 0:
            return ANSWER.pack(-status, 0, 0.0)
        if status or len(record) != RECORD.size:
            return ANSWER.pack(UNCONFINED if status == UNCONFINED else MALFORMED, 0, 0.0)
        return ANSWER.pack(FINISHED, *RECORD.unpack(record))
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(source)


def _confined(
    program: str, judge: Callable[[str], tuple[int, float]], walls: Walls, sink: int, server: int
) -> NoReturn:
    """In the fork: confine it, run the program, write the record, exit."""
    try:
        walls.close(sink, server)
    except BaseException:
        os._exit(UNCONFINED)
    try:
        os.write(PIPE, RECORD.pack(*judge(program)))
    finally:
        os._exit(0)


class Walls:
    """The walls that a fork puts up between itself and the machine; they cannot be taken down."""

    def __init__(self, instructions: bytes, memory: int, seconds: float):
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
        self._instructions = ctypes.create_string_buffer(instructions, len(instructions))
        self._filter = ctypes.create_string_buffer(
            struct.pack("@HP", len(instructions) // 8, ctypes.addressof(self._instructions))
        )
        self._memory = memory
        self._seconds = int(seconds) + 2
        self._page = resource.getpagesize()

    def close(self, sink: int, server: int) -> None:
        """Keep only the pipe `sink`, as PIPE; limit memory and time; die with `server`; filter system calls."""
        self._prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != server:
            os._exit(0)
        if sink != PIPE:
            os.dup2(sink, PIPE)
        os.closerange(PIPE + 1, _MOST_FILES)
        with open("/proc/self/statm", "rb") as sizes:
            space = int(sizes.read().split()[0]) * self._page + self._memory
        os.closerange(0, PIPE)
        for limit, most in (
            (resource.RLIMIT_AS, space),
            (resource.RLIMIT_FSIZE, 0),
            (resource.RLIMIT_NPROC, 0),
            (resource.RLIMIT_NOFILE, 0),
            (resource.RLIMIT_CPU, self._seconds),
        ):
            resource.setrlimit(limit, (most, most))
        self._prctl(_PR_SET_NO_NEW_PRIVS, 1)
        self._prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(self._filter))

    def _prctl(self, option: int, *arguments: int) -> None:
        if self._libc.prctl(option, *arguments, *[0] * (4 - len(arguments))):
            raise OSError(ctypes.get_errno(), "prctl")


def watch_parent(trainer: int, leave: Callable[[], None]) -> None:
    """Call `leave` when the process `trainer` ends, even if it is killed.

    The kernel also sends its signal when only the thread that started this process ends, so the parent is checked.
    """

    def look(*_: object) -> None:
        if os.getppid() != trainer:
            leave()

    signal.signal(signal.SIGTERM, look)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    look()


def _read(file: int, size: int) -> bytes:
    parts = b""
    while len(parts) < size:
        part = os.read(file, size - len(parts))
        if not part:
            raise Stop
        parts += part
    return parts


if __name__ == "__main__":
    try:
        main()
    except Stop:
        os._exit(0)
