"""The fallback engine: CPython in a process that the kernel holds (seccomp, resource limits). Linux only.

The trainer starts a server that has nothing of the trainer's (jail_server.py); the server forks for each program, and
the fork locks itself in before it looks at the program. What comes back is a code and a float.

A program that finds its way around in its own process can write its record itself. That gains it nothing: a program may
return any number anyway, and it cannot reach the record of another.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import platform
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from reft_lab.errors import BadInput
from reft_lab.programs import harness
from reft_lab.programs.jail_server import ANSWER, FINISHED, OVERTIME, PIPE, RECORD, SIZE, UNCONFINED
from reft_lab.programs.result import JAIL_MODULES, JAIL_PACKAGES, ProgramResult
from reft_lab.programs.seccomp import filter_program
from reft_lab.programs.settings import ProgramsConfig
from reft_lab.signals import children_are_spared

_START_SECONDS = 60.0  # importing sympy takes most of a second, on a busy machine more
_TRIAL = "def solution():\n    return 1\n"
_ESCAPE = "import os\ndef solution():\n    return os.getppid()\n"
_DIED = ProgramResult("runtime_error", detail="the program brought its process down", engine="jail")


class _Gone(Exception):
    """The server has ended, or does not answer."""


class JailWorker:
    """One server process, and one program at a time in a fork of it. Not for use from two threads at once.

    A program has a process of its own: no files (none open but one pipe, none can be opened), no network, no other
    process, no signals; only memory and the end are left to it, by an allow-list of system calls. See docs/programs.md.
    """

    def __init__(self, config: ProgramsConfig):
        self._config = config
        self._server: subprocess.Popen[bytes] | None = None
        self._is_ready = False

    def start(self) -> None:
        """Start the server, if it is not running; it goes on loading modules after this returns."""
        if self._server is not None and self._server.poll() is None:
            return
        self.close()
        # Isolated from environment, user and site-packages; the hash seed is fixed for the order of sets.
        with children_are_spared(signal.SIGINT):
            self._server = subprocess.Popen(
                [
                    sys.executable,
                    "-s",
                    "-S",
                    "-P",
                    "-B",
                    "-W",
                    "ignore",
                    str(Path(__file__).with_name("jail_server.py")),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={"PYTHONHASHSEED": "0", "TZ": "UTC0"},
                cwd="/",
                start_new_session=True,
                bufsize=0,
            )
        assert self._server.stdin is not None
        os.set_blocking(self._server.stdin.fileno(), False)  # a server that stands still must not hold the trainer
        with contextlib.suppress(_Gone, TimeoutError):  # whoever needs an answer will see
            self._send(json.dumps(self._setup()).encode())

    def check(self) -> None:
        """Start the server, and see that it runs a program and stops one that asks for the system.

        Raises:
            BadInput: it does not, on this machine.
        """
        try:
            self._prepare()
            trial, escape = self._try(_TRIAL), self._try(_ESCAPE)
        except (_Gone, TimeoutError):
            trial, escape = (UNCONFINED, 0, 0.0), (UNCONFINED, 0, 0.0)
        if trial != (FINISHED, harness.OK, 1.0) or escape[0] != signal.SIGSYS:
            self.close()
            raise BadInput(
                "programs.fallback=jail does not work here, since a process cannot be confined on this machine "
                "(seccomp filters, /proc and rlimits are needed); leave programs.fallback=null."
            )

    def close(self) -> None:
        """End the server and what it forked."""
        server, self._server = self._server, None
        self._is_ready = False
        if server is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)  # its own session: nobody else is in it
        server.wait()
        for pipe in (server.stdin, server.stdout):
            if pipe is not None:
                pipe.close()

    def run_alone(self, program: str) -> ProgramResult:
        """Run one program, with all the time and memory to itself."""
        refused = harness.unreadable(program, engine="jail")
        if refused is not None:
            return refused
        for _ in range(2):
            try:
                self._prepare()
                ended, code, value = self._ask(program)
            except TimeoutError:
                self.close()
                return self._overtime()
            except _Gone:
                self.close()
                continue  # killed from outside, perhaps: there will be a new one
            if ended != signal.SIGKILL:  # by the machine, short of memory: perhaps it is not, next time
                return self._result(program, ended, code, value)
        return _DIED

    def _result(self, program: str, ended: int, code: int, value: float) -> ProgramResult:
        if ended == FINISHED and harness.is_verdict(code, value):
            return harness.result(program, code, value, engine="jail")
        if ended == OVERTIME:
            return self._overtime()
        if ended == signal.SIGSYS:
            return harness.result(program, harness.FORBIDDEN, 0.0, engine="jail")
        return _DIED

    def _overtime(self) -> ProgramResult:
        return ProgramResult("timeout", detail=f"the program takes more than {self._config.timeout:g} s", engine="jail")

    def _setup(self) -> dict[str, object]:
        packages = {}
        for name in JAIL_PACKAGES:
            spec = importlib.util.find_spec(name)
            if spec is not None and spec.origin is not None:
                packages[name] = spec.origin
        return {
            "trainer": os.getpid(),
            "timeout": self._config.timeout,
            "memory": self._config.memory,
            "recursion": self._config.recursion,
            "modules": sorted(JAIL_MODULES - set(JAIL_PACKAGES)),
            "packages": packages,
            "judge": harness.JUDGE,
            "syntax": harness.SYNTAX,
            "filter": filter_program(platform.machine(), PIPE, RECORD.size).hex(),
        }

    def _prepare(self) -> None:
        """Have a server that waits for programs."""
        self.start()
        if not self._is_ready:
            try:
                self._receive(_START_SECONDS)
            except TimeoutError as error:
                raise _Gone from error
            self._is_ready = True

    def _ask(self, program: str) -> tuple[int, int, float]:
        """How the program's process ended, and the code and value it wrote.

        Raises:
            TimeoutError: the server does not answer.
        """
        self._send(program.encode())
        return self._receive(self._config.call_timeout)

    def _try(self, program: str) -> tuple[int, int, float]:
        """The same, for a program that takes no time by itself: a machine that is busy gets several chances."""
        ended = self._ask(program)
        for _ in range(5):
            if ended[0] != OVERTIME:
                break
            ended = self._ask(program)
        return ended

    def _send(self, text: bytes) -> None:
        assert self._server is not None
        assert self._server.stdin is not None
        pipe = self._server.stdin.fileno()
        poll = select.poll()
        poll.register(pipe, select.POLLOUT)
        left, deadline = SIZE.pack(len(text)) + text, time.monotonic() + self._config.call_timeout
        while left:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeoutError
            try:
                left = left[os.write(pipe, left) :]
            except OSError as error:
                raise _Gone from error

    def _receive(self, seconds: float) -> tuple[int, int, float]:
        assert self._server is not None
        assert self._server.stdout is not None
        pipe = self._server.stdout.fileno()
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        answer, deadline = b"", time.monotonic() + seconds
        while len(answer) < ANSWER.size:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeoutError
            part = os.read(pipe, ANSWER.size - len(answer))
            if not part:
                raise _Gone
            answer += part
        ended, code, value = ANSWER.unpack(answer)
        return ended, code, value
