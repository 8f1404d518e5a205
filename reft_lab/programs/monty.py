"""The default engine: pydantic-monty, a Python interpreter that knows no system calls, in a worker process."""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import shlex
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reft_lab.programs import harness
from reft_lab.programs.result import GAVE_UP, ProgramResult
from reft_lab.programs.settings import ProgramsConfig

if TYPE_CHECKING:
    from pydantic_monty import OSPolicy

_SPARE_MIB = 2048  # address space beside the program's memory: stacks and arenas, which grow with the machine


class Launcher:
    """A small executable that turns into the monty worker, in a temporary folder of its own.

    The worker gets an empty environment, no error output (an engine at its memory limit writes there) and hard limits
    on address space, open files and core dumps; it ignores the signals that stop a run. The interpreter inside is the
    sandbox; this is a second line of defence.

    Attributes:
        path: the executable; None where it cannot be made (no /bin/sh, no temporary folder that allows executables),
            and the worker is started without it.

    Args:
        memory: most memory of a program, MiB.
    """

    def __init__(self, memory: int):
        from pydantic_monty._binary import find_monty_binary

        self.path: Path | None = None
        if not os.access("/bin/sh", os.X_OK):
            return
        folder = Path(tempfile.mkdtemp(prefix="reft_lab-programs-"))
        weakref.finalize(self, _remove, folder, os.getpid())  # when the process ends, at the latest
        self.path = folder / "worker"
        self.path.write_text(
            "#!/bin/sh\n"
            "exec 2>/dev/null\n"
            "trap '' INT HUP USR1 USR2\n"
            "ulimit -c 0\n"
            "ulimit -n 256\n"
            f"ulimit -v {(memory + _SPARE_MIB) << 10}\n"
            f'exec env -i {shlex.quote(find_monty_binary())} "$@"\n'
        )
        self.path.chmod(0o700)
        if not os.access(self.path, os.X_OK):
            self.remove()

    @property
    def is_lost(self) -> bool:
        """Whether the temporary folder was cleaned up by others, so that no new worker could be started."""
        return self.path is not None and not self.path.exists()

    def remove(self) -> None:
        """Remove the folder; workers that already run are not affected."""
        if self.path is not None:
            _remove(self.path.parent, os.getpid())
            self.path = None


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # a fork that ends must not remove its parent's folder
        shutil.rmtree(folder, ignore_errors=True)


# Module state (decimal.getcontext().prec) and addresses of a session outlive a program; a program that could change or
# see them gets a session of its own. `import math` is the only import that does neither.
_TELLTALE = ("import", "exec", "eval", "hash", "object", "repr", "async", "__")
_TELLTALE_WORDS = re.compile(rf"\b(?:{'|'.join(_TELLTALE[:-1])}|__\w+)\b")
_ID = re.compile(r"id(?<!\wid)\b")  # begins with the letters, which makes the search fast
_IMPORT_OF_MATH = re.compile(r"\bimport[ \t]+math[ \t]*(?:as[ \t]+\w+[ \t]*)?$|\bfrom[ \t]+math[ \t]+import\b", re.M)
_SHARED_FEEDS = 50  # batches that a session runs before it is replaced, as each leaves some memory behind
_HARNESS_FRAMES = 10  # of the recursion limit, for the harness itself


def needs_own_session(program: str) -> bool:
    """Whether `program` could affect, or see something of, another program in its session."""
    if any(word in program for word in _TELLTALE) and _TELLTALE_WORDS.search(_IMPORT_OF_MATH.sub("", program)):
        return True
    return _ID.search(program) is not None


_first_process: list[int] = []  # the process in which the engine was first used


def is_fork() -> bool:
    """Whether this process is a fork of one that has used the engine."""
    return bool(_first_process) and _first_process[0] != os.getpid()


def refuse_in_a_fork() -> None:
    """Raise RuntimeError in a fork, where the engine would hang: its helper threads do not survive forking."""
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
        self._shared: Any = None  # the session for batches, if there is one
        self._shared_feeds = 0
        self._launcher: Launcher | None = None
        start = datetime.datetime(2024, 1, 1)
        self._policy: OSPolicy = {"datetime": start, "sleep": "zero", "random_start": {"seed": 0}}

    def start(self) -> None:
        """Start the process if it is not running.

        Raises:
            RuntimeError: the engine does not work on this machine.
        """
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
            feed_duration_limit_grace=self._config.timeout / 4,  # a single long operation does not check the clock
        ).__enter__()
        trial = self.run_alone("def solution():\n    return 1\n")
        if trial.value != 1:
            self.close()
            raise RuntimeError(f"The program sandbox does not work on this machine: {trial.detail or trial.status}.")

    def close(self) -> None:
        """End the process."""
        self._end_shared()
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.__exit__(None, None, None)
        if self._launcher is not None:
            self._launcher.remove()

    def run_batch(self, programs: Sequence[str]) -> list[ProgramResult] | None:
        """Run several programs in one feed, each in its own namespace; none of them may need a session of its own.

        Returns:
            Results in order; None where any of them brought the feed down, and each must be run alone.
        """
        import pydantic_monty

        try:
            if self._shared is None or self._shared_feeds >= _SHARED_FEEDS:
                self._end_shared()
                # A quarter of the time of one program is enough for a whole batch of well-behaved ones.
                self._shared = self._open(self._config.timeout / 4, with_decimal=False)
                self._shared_feeds = 0
            self._shared_feeds += 1
            pairs = _feed(self._shared, programs)
        except (pydantic_monty.MontyError, UnicodeError, TimeoutError):
            pairs = None
        if pairs is None:
            self._end_shared()
            return None
        return [harness.result(text, *pair, engine="monty") for text, pair in zip(programs, pairs, strict=True)]

    def run_alone(self, program: str) -> ProgramResult:
        """Run one program in a session of its own, with the whole time and memory to itself."""
        import pydantic_monty

        refused = harness.unreadable(program, engine="monty")
        if refused is not None:
            return refused
        for _ in range(2):
            try:
                pairs = self._feed_alone(program)
            except pydantic_monty.MontyCrashedError as error:
                if error.timed_out:
                    return ProgramResult("timeout", detail=f"the program takes more than {self._config.timeout:g} s")
                continue  # perhaps killed from outside; the pool has a new worker
            except TimeoutError:
                continue  # the new worker did not start in time
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
        return ProgramResult("forbidden", detail=GAVE_UP)

    def _feed_alone(self, program: str) -> list[tuple[int, float]] | None:
        self._end_shared()
        session = self._open(self._config.timeout, with_decimal="decimal" in program)
        try:
            return _feed(session, [program])
        finally:
            _end(session)

    def _open(self, seconds: float, with_decimal: bool) -> Any:
        """A session that is prepared for feeds of at most `seconds`."""
        self.start()
        session = self._pool.checkout(
            limits={
                "max_feed_duration_secs": seconds,
                "max_memory": self._config.memory << 20,
                "max_recursion_depth": self._config.recursion + _HARNESS_FRAMES,
            },
            os_policy=self._policy,
        )
        session.__enter__()
        session.feed_run(harness.monty_source(with_decimal))
        return session

    def _end_shared(self) -> None:
        session, self._shared = self._shared, None
        if session is not None:
            _end(session)


def _feed(session: Any, programs: Sequence[str]) -> list[tuple[int, float]] | None:
    answer = session.feed_run(harness.MONTY_CALL, inputs={"_programs": list(programs)}, print_callback=_discard)
    return harness.verdicts(answer, len(programs))


def _end(session: Any) -> None:
    """Give the worker of a session back; if it has died, there is none to give back."""
    import pydantic_monty

    with contextlib.suppress(pydantic_monty.MontyError):
        session.__exit__(None, None, None)


def _discard(stream: str, text: str) -> None:
    """Discard what programs print."""
