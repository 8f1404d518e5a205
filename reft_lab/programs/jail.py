"""The fallback engine: CPython in a process that the kernel confines (seccomp, resource limits). Linux only.

The trainer starts a server that shares nothing with it (jail_server.py). The server forks for each program, and the
fork confines itself before it reads the program. It sends back a code and a float.

A program that tampers with its own process can forge its own record. That gains it nothing: a program may return any
number anyway, and it cannot reach the record of another.
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

_START_SECONDS = 60.0  # importing sympy takes nearly a second, and longer on a busy machine
_TRIAL = "def solution():\n    return 1\n"
_ESCAPE = "import os\ndef solution():\n    return os.getppid()\n"
_DIED = ProgramResult("runtime_error", detail="the program brought its process down", engine="jail")


class _Gone(Exception):
    """The server has died or does not answer."""


class JailWorker:
    """One server process, which runs one program at a time in a fork. Not for use from two threads at once.

    A program has a process of its own and an allow-list of system calls that leaves it memory and its own end: no files
    (one open pipe, nothing else can be opened), no network, no other process, no signals. See docs/programs.md.
    """

    def __init__(self, config: ProgramsConfig):
        self._config = config
        self._server: subprocess.Popen[bytes] | None = None
        self._is_ready = False

    def start(self) -> None:
        """Start the server if it is not running; it is still loading modules when this returns."""
        if self._server is not None and self._server.poll() is None:
            return
        self.close()
        # Isolated from the environment, the user's folder and site-packages; a fixed hash seed fixes the order of sets.
        with children_are_spared(signal.SIGINT):
            self._server = subprocess.Popen(
                [sys.executable, "-sSPB", "-Wignore", str(Path(__file__).with_name("jail_server.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={"PYTHONHASHSEED": "0", "TZ": "UTC0"},
                cwd="/",
                start_new_session=True,
                bufsize=0,
            )
        assert self._server.stdin is not None
        os.set_blocking(self._server.stdin.fileno(), False)  # a server that hangs must not block the trainer
        with contextlib.suppress(_Gone, TimeoutError):  # the first request will find out
            self._send(json.dumps(self._setup()).encode())

    def check(self) -> None:
        """Start the server, and make sure that it runs a program and stops one that makes a system call.

        Raises:
            BadInput: it does not work on this machine.
        """
        try:
            self._prepare()
            trial, escape = self._try(_TRIAL), self._try(_ESCAPE)
        except (_Gone, TimeoutError):
            trial, escape = (UNCONFINED, 0, 0.0), (UNCONFINED, 0, 0.0)
        if trial != (FINISHED, harness.OK, 1.0) or escape[0] != signal.SIGSYS:
            self.close()
            raise BadInput(
                "programs.fallback=jail does not work here, because processes cannot be confined on this machine "
                "(it takes seccomp filters, /proc and rlimits); leave programs.fallback=null."
            )

    def close(self) -> None:
        """End the server and its forks."""
        server, self._server = self._server, None
        self._is_ready = False
        if server is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)  # it has its own session, with nothing else in it
        server.wait()
        for pipe in (server.stdin, server.stdout):
            if pipe is not None:
                pipe.close()

    def run_alone(self, program: str) -> ProgramResult:
        """Run one program, with the whole time and memory to itself."""
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
                continue  # perhaps killed from outside; a new server is started
            if ended != signal.SIGKILL:  # by a machine short of memory, which may have more next time
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
        specs = {name: importlib.util.find_spec(name) for name in JAIL_PACKAGES}
        packages = {name: spec.origin for name, spec in specs.items() if spec is not None and spec.origin is not None}
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
        """Make sure that a server waits for programs."""
        self.start()
        if not self._is_ready:
            try:
                self._receive(_START_SECONDS)
            except TimeoutError as error:
                raise _Gone from error
            self._is_ready = True

    def _ask(self, program: str) -> tuple[int, int, float]:
        """How the process of the program ended, and the code and value that it wrote.

        Raises:
            TimeoutError: the server does not answer.
        """
        self._send(program.encode())
        return self._receive(self._config.call_timeout)

    def _try(self, program: str) -> tuple[int, int, float]:
        """As `_ask`, for a program that takes no time of its own: a busy machine gets several chances."""
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
