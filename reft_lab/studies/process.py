"""One run of a study as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from reft_lab import installed
from reft_lab.compose.words import as_text
from reft_lab.run_dir.files import CONFIG, RESULT
from reft_lab.run_dir.lock import is_held
from reft_lab.signals import PARENT, children_are_spared
from reft_lab.studies.definition import Definition
from reft_lab.studies.run_outcome import HELD, RunOutcome, read_outcome
from reft_lab.studies.storage import STORAGE, has_password

LOGS = "logs"
MAY_CHANGE = ("study.", "tracker.", "checkpoint.")
POLL = 0.2  # seconds between two looks at a process
PATIENCE = 60.0  # seconds that a run of a sweep that was killed is waited for


class Stop:
    """What a signal asks of all processes.

    Attributes:
        number: the signal, None before there is one.
        at_once: whether it came twice.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.at_once = False
        self.event = threading.Event()

    def ask(self, number: int) -> None:
        """A signal came."""
        self.at_once = self.event.is_set()
        self.number = number
        self.event.set()


def execute(
    directory: Path,
    words: tuple[str, ...],
    definition: Definition,
    stop: Stop,
    *,
    gpus: Sequence[int] = (),
    is_spared: bool = True,
) -> RunOutcome:
    """Start a run, or go on with it where it was begun, and wait for its end. What it prints goes to a file in logs/.

    Args:
        directory: its run directory.
        words: its overrides, all but the folder.
        definition: its study.
        stop: told when it is to end.
        gpus: those it gets; empty: whatever there is.
        is_spared: whether signals to a whole group or step pass it by, because a study beside it stops it in order.

    Returns:
        What became of it; `interrupted` where `stop` ended it.
    """
    waited = time.monotonic()
    while is_held(directory) and time.monotonic() - waited < PATIENCE and not stop.event.wait(POLL):
        pass  # a process of a sweep that was killed is about to end
    if is_held(directory):
        return RunOutcome(HELD)
    before = read_outcome(directory, definition.objectives)
    if before.status in ("finished", "pruned"):  # the sweep was killed before it could tell
        return before
    log = definition.folder / LOGS / f"{'-'.join(directory.relative_to(definition.folder).parts)}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    (directory / RESULT).unlink(missing_ok=True)  # of an attempt that failed
    with log.open("ab") as file:
        start = file.tell()
        with children_are_spared() if is_spared else nullcontext():
            process = subprocess.Popen(
                _command(directory, words),
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=_environment(gpus, definition),
                start_new_session=True,  # Ctrl-C reaches the sweep alone, which passes it on
            )
        try:
            code = _wait(process, stop)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    outcome = read_outcome(directory, definition.objectives)
    if code == 0:
        return outcome
    if stop.event.is_set() and code != 1:
        return replace(outcome, status="interrupted")
    if code < 0:
        name = signal.Signals(-code).name
        killed = f"killed by {name}" + (", as by a system short of memory" if name == "SIGKILL" else "")
        return replace(outcome, status="crashed", reason=killed)
    if outcome.status == "failed":
        return outcome
    reason = _last_error(log, start) or f"it ended with code {code}; see {log}"
    return replace(outcome, status="failed", reason=reason, is_final=code == 2)


def _command(directory: Path, words: tuple[str, ...]) -> list[str]:
    start = [sys.executable, *installed.words()]
    if (directory / CONFIG).is_file():
        kept = [word for word in words if word.startswith(MAY_CHANGE)]
        return [*start, f"resume={as_text(str(directory))}", *kept]
    return [*start, *words, f"hydra.run.dir={as_text(str(directory))}"]


def _environment(gpus: Sequence[int], definition: Definition) -> dict[str, str]:
    """The environment of a run: its GPUs, its share of the cores, secrets, whom it must not outlive."""
    changed, workers = {PARENT: str(os.getpid())}, definition.workers
    if has_password(definition.storage):
        changed[STORAGE] = definition.storage
    if gpus:
        changed["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, gpus))
    if workers > 1 and "OMP_NUM_THREADS" not in os.environ:
        changed["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // (workers * definition.devices)))
    return os.environ | changed


def _wait(process: subprocess.Popen[bytes], stop: Stop) -> int:
    asked = False
    while True:
        try:
            return process.wait(POLL)
        except subprocess.TimeoutExpired:
            if stop.at_once:
                process.kill()
            elif stop.event.is_set() and not asked:
                process.terminate()  # not SIGINT: what a script starts with & is deaf to it, and so are its children
                asked = True


def _last_error(log: Path, start: int) -> str | None:
    """The last sentence that a run ended with, of what it printed from `start` on."""
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").strip().splitlines()
    told = [line for line in lines if line.startswith("error: ")]
    if told:
        return told[-1].removeprefix("error: ")
    return lines[-1] if lines else None
