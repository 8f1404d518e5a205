"""Many programs in, as many results out, in order."""

from __future__ import annotations

import queue
import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from reft_lab.errors import BadInput
from reft_lab.programs.harness import MAX_CHARACTERS
from reft_lab.programs.monty import MontyWorker, is_fork, needs_own_session, refuse_in_a_fork
from reft_lab.programs.result import JAIL_MODULES, JAIL_PACKAGES, MODULES, ProgramResult, refusals, what_would_help
from reft_lab.programs.seccomp import require_a_jail
from reft_lab.programs.settings import ProgramsConfig
from reft_lab.text import did_you_mean

if TYPE_CHECKING:
    from reft_lab.programs.jail import JailWorker

W = TypeVar("W")
T = TypeVar("T")
R = TypeVar("R")


class ProgramRunner:
    """Runs programs that a model wrote, in worker processes that cannot reach the machine.

    A program is a whole Python text that defines `solution`; the runner calls `solution()`. The same program gives the
    same result in any order, batch and number of workers. Safe to call from several threads, which take turns.

    With `programs.fallback=jail`, a program that the first engine refuses or fails on is run again by the second, whose
    result counts: what the first engine lacks may show up as an error of the program.

    Raises:
        BadInput: the limits in `config` contradict each other, or this machine cannot run the fallback.
    """

    def __init__(self, config: ProgramsConfig):
        if config.call_timeout < 1.5 * config.timeout:
            raise BadInput(
                f"programs.call_timeout={config.call_timeout:g} is too short for programs.timeout={config.timeout:g}: "
                f"a worker gets at least 1.5 times a program's time, so give at least {1.5 * config.timeout:g}."
            )
        for name in config.imports:
            _check_module(name)
        if config.fallback == "jail":
            require_a_jail()
        self._config = config
        self._remembered: OrderedDict[str, ProgramResult] = OrderedDict()
        self._lock = threading.Lock()
        self._refused: Counter[tuple[str, str]] = Counter()
        self._workers: list[MontyWorker] = []
        self._jails: list[JailWorker] = []
        self._threads: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Start the worker processes; otherwise the first `run` does.

        Raises:
            RuntimeError: this process is a fork of one that runs programs.
            BadInput: the fallback does not work on this machine.
        """
        refuse_in_a_fork()
        with self._lock:
            self._start()

    def _start(self) -> None:
        if self._workers:
            return
        try:
            self._start_workers()
        except BaseException:
            self._end_workers()
            raise
        if len(self._workers) > 1:
            self._threads = ThreadPoolExecutor(len(self._workers), thread_name_prefix="programs")

    def _start_workers(self) -> None:
        if self._config.fallback == "jail":
            from reft_lab.programs.jail import JailWorker

            self._jails = [JailWorker(self._config) for _ in range(self._config.workers)]
        for jail in self._jails:
            jail.start()  # jails load their modules while the others start
        self._workers = [MontyWorker(self._config) for _ in range(self._config.workers)]
        for worker in self._workers:
            worker.start()
        for jail in self._jails:
            jail.check()

    def _end_workers(self) -> None:
        for worker in self._workers:
            worker.close()
        for jail in self._jails:
            jail.close()
        self._workers, self._jails, self._threads = [], [], None

    def run(self, programs: Sequence[str]) -> list[ProgramResult]:
        """Run `programs` and return their results in order. Equal programs are run once."""
        refuse_in_a_fork()
        programs = [self._with_imports(text) for text in programs]
        with self._lock:
            self._start()
            results = {text: known for text in programs if (known := self._remembered.get(text)) is not None}
            results.update(self._run_distinct([text for text in dict.fromkeys(programs) if text not in results]))
            self._remember(results)
            answers = [results[text] for text in programs]
            self._refused.update(refusals(answers))
            return answers

    @property
    def refused(self) -> list[tuple[str, str, int]]:
        """How many programs have been refused so far: (engine, reason, count)."""
        with self._lock:
            return [(*key, count) for key, count in self._refused.items()]

    def refused_with(self, others: Iterable[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
        """The same, with those that other processes have refused."""
        counts: Counter[tuple[str, str]] = Counter()
        for engine, reason, count in (*self.refused, *others):
            counts[engine, reason] += count
        return [(*key, count) for key, count in counts.items()]

    def go_on_from(self, refused: Iterable[tuple[str, str, int]]) -> None:
        """Go on counting from what `refused` was in an earlier session."""
        with self._lock:
            self._refused = Counter({(engine, reason): count for engine, reason, count in refused})

    def what_would_help(self) -> str | None:
        """A sentence on the refused programs for the summary of a run; None where there were none."""
        with self._lock:
            return what_would_help(self._refused)

    def close(self) -> None:
        """End the worker processes. A later `run` starts new ones."""
        if is_fork():
            return  # the workers are the parent's
        with self._lock:
            if self._threads is not None:
                self._threads.shutdown()
            self._end_workers()

    def __enter__(self) -> ProgramRunner:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _with_imports(self, program: str) -> str:
        """`program` with those imports of `programs.imports` above it that it uses; others would only take time."""
        used = [name for name in self._config.imports if re.search(rf"\b{name}\b", program)]
        return "".join(f"import {name}\n" for name in used) + program

    def _run_distinct(self, programs: list[str]) -> dict[str, ProgramResult]:
        alone = [text for text in programs if len(text) > MAX_CHARACTERS or needs_own_session(text)]
        set_apart = set(alone)
        together = [text for text in programs if text not in set_apart]
        if len(together) == 1:
            alone, together = [*alone, *together], []
        size = max(1, min(self._config.batch, -(-len(together) // self._config.workers)))
        batches = [together[i : i + size] for i in range(0, len(together), size)]
        results: dict[str, ProgramResult] = {}
        for batch, answers in zip(batches, self._spread(self._workers, MontyWorker.run_batch, batches), strict=True):
            if answers is None:
                alone.extend(batch)
            else:
                results.update(zip(batch, answers, strict=True))
        results.update(zip(alone, self._spread(self._workers, MontyWorker.run_alone, alone), strict=True))
        if self._jails:
            failed = [text for text in programs if results[text].status in ("forbidden", "runtime_error")]
            second = self._spread(self._jails, lambda jail, text: jail.run_alone(text), failed)
            results.update(zip(failed, second, strict=True))
        return results

    def _spread(self, workers: Sequence[W], job: Callable[[W, T], R], items: Sequence[T]) -> Iterable[R]:
        """The results of job(worker, item) in the order of items; each is done by the next free worker."""
        if self._threads is None or len(items) < 2:
            return [job(workers[0], item) for item in items]
        free: queue.SimpleQueue[W] = queue.SimpleQueue()
        for worker in workers:
            free.put(worker)

        def on_a_free_worker(item: T) -> R:
            worker = free.get()
            try:
                return job(worker, item)
            finally:
                free.put(worker)

        return list(self._threads.map(on_a_free_worker, items))

    def _remember(self, results: dict[str, ProgramResult]) -> None:
        """Remember results that would be the same again: all but timeouts, which depend on the load of the machine."""
        for text, result in results.items():
            if result.status != "timeout":
                self._remembered[text] = result
                self._remembered.move_to_end(text)
        while len(self._remembered) > self._config.cache:
            self._remembered.popitem(last=False)


def _check_module(name: str) -> None:
    known = MODULES.union(JAIL_MODULES, JAIL_PACKAGES)
    if name not in known:
        guess = did_you_mean(name, sorted(known)) or "; docs/programs.md lists those there are."
        raise BadInput(f"programs.imports names {name!r}, a module that no program can import{guess}")
