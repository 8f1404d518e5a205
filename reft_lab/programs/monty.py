"""The default engine: pydantic-monty, a Python interpreter that knows no system calls, in a worker process."""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reft_lab.config.inputs import ProgramsConfig
from reft_lab.programs import harness
from reft_lab.programs.launcher import Launcher
from reft_lab.programs.result import ProgramResult

if TYPE_CHECKING:
    from pydantic_monty import OSPolicy

MAX_CHARACTERS = 100_000
# A session's module state (decimal.getcontext().prec) and addresses outlive a program; a program that could see or
# leave any gets a session of its own. `import math` is the only import that cannot.
_PLAIN_IMPORT = re.compile(r"\bimport[ \t]+math[ \t]*(?:as[ \t]+\w+[ \t]*)?$|\bfrom[ \t]+math[ \t]+import\b", re.M)
_NEEDS_OWN_SESSION = re.compile(r"\b(?:import|exec|eval|id|hash|object|repr|async|__\w+)\b")
_HARNESS_FRAMES = 10  # frames of the recursion limit that the harness itself takes


def needs_own_session(program: str) -> bool:
    """Whether `program` could leave something behind for, or see something of, another program of its session."""
    return _NEEDS_OWN_SESSION.search(_PLAIN_IMPORT.sub("", program)) is not None


_first_process: list[int] = []  # the process in which the engine was first used


def is_fork() -> bool:
    """Whether this process was forked off one that had used the engine."""
    return bool(_first_process) and _first_process[0] != os.getpid()


def refuse_in_a_fork() -> None:
    """Raise RuntimeError where the engine would hang for ever: its helper threads do not survive a fork."""
    if is_fork():
        raise RuntimeError(
            "Programs cannot be run in a fork of a process that has run some; start it by spawn instead."
        )


class MontyWorker:
    """One worker process. Not for use from two threads at once.

    A program cannot reach files, network, environment or processes: the interpreter has no code for it. The worker
    process around it contains crashes, and is killed and replaced when it does not answer.
    """

    def __init__(self, config: ProgramsConfig):
        self._config = config
        self._pool: Any = None
        self._launcher: Launcher | None = None
        self._policy: OSPolicy = {
            "datetime": datetime.datetime(2024, 1, 1),
            "sleep": "zero",
            "random_start": {"seed": 0},
        }

    def start(self) -> None:
        """Start the process, if it is not running."""
        if self._pool is not None and self._launcher is not None and not self._launcher.is_lost:
            return
        import pydantic_monty

        if not _first_process:
            _first_process.append(os.getpid())
        self.close()
        self._launcher = Launcher(self._config.memory)
        self._pool = pydantic_monty.Monty(
            binary_path=self._launcher.path,
            min_processes=1,
            max_processes=1,
            checkout_timeout=self._config.call_timeout,
            request_timeout=0.8 * self._config.call_timeout,  # the rest is for replacing the worker
            max_checkouts_per_worker=10_000,
            feed_duration_limit_grace=self._config.timeout / 4,  # one long operation does not look at the clock
        ).__enter__()

    def close(self) -> None:
        """End the process."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.__exit__(None, None, None)
        if self._launcher is not None:
            self._launcher.remove()

    def run_batch(self, programs: Sequence[str]) -> list[ProgramResult] | None:
        """Run several programs in one feed, each in its own namespace.

        Returns:
            Results in order; None when the feed died, whichever program it was: run them alone then.
        """
        import pydantic_monty

        try:
            # A quarter of one program's time does for a whole batch of well-behaved ones.
            pairs = self._feed(programs, self._config.timeout / 4)
        except (pydantic_monty.MontyError, UnicodeError):
            return None
        if pairs is None:
            return None
        return [harness.result(text, *pair, engine="monty") for text, pair in zip(programs, pairs, strict=True)]

    def run_alone(self, program: str) -> ProgramResult:
        """Run one program in a session of its own, with the whole time and memory to itself."""
        import pydantic_monty

        if len(program) > MAX_CHARACTERS:
            return ProgramResult("syntax_error", detail=f"the program is longer than {MAX_CHARACTERS} characters")
        if not _is_unicode(program):
            return ProgramResult("syntax_error", detail="the program is not valid Unicode text")
        for _ in range(2):
            try:
                pairs = self._feed([program], self._config.timeout)
            except pydantic_monty.MontyCrashedError as error:
                if error.timed_out:
                    return ProgramResult("timeout", detail=f"the program takes more than {self._config.timeout:g} s")
                continue  # killed from outside, perhaps: the pool has a new worker
            except pydantic_monty.MontyError as error:
                return self._died(error.exception())
            if pairs is not None:
                return harness.result(program, *pairs[0], engine="monty")
        return ProgramResult("runtime_error", detail="the program brought its worker down")

    def _died(self, error: BaseException) -> ProgramResult:
        if isinstance(error, TimeoutError):
            return ProgramResult("timeout", detail=f"the program takes more than {self._config.timeout:g} s")
        if isinstance(error, MemoryError):
            return ProgramResult("memory", detail=f"the program takes more than {self._config.memory} MiB")
        return ProgramResult("forbidden", detail="the interpreter gave up on it")

    def _feed(self, programs: Sequence[str], seconds: float) -> list[tuple[int, float]] | None:
        self.start()
        session = self._pool.checkout(
            limits={
                "max_feed_duration_secs": seconds,
                "max_memory": self._config.memory << 20,
                "max_recursion_depth": self._config.recursion + _HARNESS_FRAMES,
            },
            os_policy=self._policy,
        )
        with session:
            answer = session.feed_run(
                harness.monty_source(any("decimal" in text for text in programs)),
                inputs={"_programs": list(programs)},
                print_callback=_discard,
            )
        return harness.verdicts(answer, len(programs))


def _is_unicode(program: str) -> bool:
    try:
        program.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _discard(stream: str, text: str) -> None:
    """Programs print to nobody."""
