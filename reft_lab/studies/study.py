"""A study from its definition to its end, or from where it was interrupted."""

from __future__ import annotations

import os
import shlex
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

from reft_lab import errors, installed
from reft_lab.errors import RunFailed
from reft_lab.signals import let_go_of_lost_terminal, stop_signals
from reft_lab.studies import process
from reft_lab.studies.confirm import confirm
from reft_lab.studies.definition import Definition
from reft_lab.studies.results import leave_behind, write_report, write_table
from reft_lab.studies.storage import shown
from reft_lab.studies.terminal import TrialLines
from reft_lab.studies.trial_runs import Execute, GivenBack, work_on
from reft_lab.studies.trials import Trials
from reft_lab.text import one_line

if TYPE_CHECKING:
    from hydra.plugins.launcher import Launcher

LEAST_ENDED = 4  # trials that must have ended before their failure rate means anything
POLL = 0.5  # seconds between two checks for a trial to take
# What a first and a second signal are answered, without and with jobs of a launcher.
ANSWERS = {
    False: ("stopping: runs save their state; once more stops at once.", "stopping all runs at once."),
    True: (
        "stopping when the running jobs have ended; once more leaves them to themselves.",
        "leaving the running jobs alone; the same command takes up their results.",
    ),
}


def run_study(definition: Definition, say: Callable[[str], None], launcher: Launcher | None = None) -> float | None:
    """Run the remaining trials, and write the files that docs/sweeps.md describes.

    Args:
        definition: the study.
        say: what prints a line.
        launcher: a launcher of Hydra's to run the trials; None: child processes.

    Returns:
        The best value; None with several objectives or without a finished trial.

    Raises:
        BadInput: another study has this name.
        RunFailed: too many trials failed.
        Interrupted: a signal stopped it; trials under way are taken up when the study is.
    """
    trials = Trials(definition)
    lines = TrialLines(definition, say)
    stop = process.Stop()
    workers = [_worker(definition, stop, launcher, number) for number in range(definition.workers)]
    try:
        lines.begin(trials.all())
        with _stopped_by_signals(stop, jobs=launcher is not None), _storage_errors_explained(definition):
            with trials.alone():
                write_table(trials.all(), definition)  # those who watch learn how many there are to be
            with lines.showing():
                _work(trials, lines, stop, workers)
            leave_behind(trials.study, trials.all(), definition, say)
            problem = failures(trials)
            if stop.number is None and problem is None and definition.confirm and lines.best is not None:
                confirm(trials.all(), definition, workers, say)
            if stop.number is None:
                write_report(definition.folder, say)
    finally:
        trials.close()
    if stop.number is not None:
        say(f"the study is stopped; go on with: {shlex.join(['python', *installed.typed()])}")
        raise errors.Interrupted(stop.number)
    if problem is not None:
        raise RunFailed(problem)
    return lines.best


def failures(trials: Trials) -> str | None:
    """A sentence where too many trials failed, None otherwise."""
    from optuna.trial import TrialState

    definition = trials.definition
    ended = [trial for trial in trials.all() if trial.state.is_finished()]
    failed = [trial for trial in ended if trial.state == TrialState.FAIL]
    if not failed or (len(ended) < LEAST_ENDED and len(ended) < definition.trials):
        return None
    if len(failed) / len(ended) <= definition.max_failure_rate:
        return None
    last = max(failed, key=lambda trial: str(trial.datetime_complete))
    reason = str(last.user_attrs.get("reason")).rstrip(".")
    return (
        f"{len(failed)} of {len(ended)} trials failed, more than sweeps.max_failure_rate="
        f"{definition.max_failure_rate:g} allows (trial {last.number}: {reason}); fix the cause, then give the "
        "same command to go on with the remaining trials, or another sweeps.name= to start afresh."
    )


def _work(trials: Trials, lines: TrialLines, stop: process.Stop, workers: Sequence[Execute]) -> None:
    """Run all trials, as many at a time as there are workers."""
    failure = threading.Event()
    with ThreadPoolExecutor(len(workers), "worker") as pool:
        pending = {pool.submit(_work_on_trials, trials, lines, stop, failure, execute) for execute in workers}
        try:
            while pending:  # in short steps, so that signal handlers get to run
                done, pending = wait(pending, timeout=POLL, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
                lines.look()
        except BaseException:
            stop.ask(stop.number or signal.SIGTERM)
            raise


def _work_on_trials(
    trials: Trials, lines: TrialLines, stop: process.Stop, failure: threading.Event, execute: Execute
) -> None:
    """Work on one trial after another until none is left, not even one that another sweep might abandon."""
    while not stop.event.is_set() and not failure.is_set():
        trial = trials.take()
        if trial is None:
            if trials.are_over():
                return
            stop.event.wait(POLL)
            continue
        lines.started(trial.number)
        try:
            work_on(trial, trials, execute)
        except GivenBack:
            lines.put_back(trial.number)
            continue
        with trials.alone():
            write_table(trials.all(), trials.definition)
            lines.ended(trials.all(), trial.number)
        if failures(trials):
            failure.set()


def _worker(definition: Definition, stop: process.Stop, launcher: Launcher | None, number: int) -> Execute:
    """What does the runs of worker `number`."""
    if launcher is not None:
        from reft_lab.studies.launching import by_launcher

        return by_launcher(launcher, definition, stop)
    gpus: Sequence[int] = ()
    if definition.gpus is not None:
        start = number * definition.devices % len(definition.gpus)
        gpus = definition.gpus[start : start + definition.devices]
    return partial(process.execute, definition=definition, stop=stop, gpus=gpus)


@contextmanager
def _storage_errors_explained(definition: Definition) -> Iterator[None]:
    """Inside, errors of the storage end the study with one sentence."""
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (OptunaError, SQLAlchemyError, OSError) as error:
        raise RunFailed(
            f"the study in {shown(definition.storage)} can no longer be reached ({one_line(error)}); the runs "
            "are kept, and the same command goes on with them."
        ) from error


@contextmanager
def _stopped_by_signals(stop: process.Stop, *, jobs: bool) -> Iterator[None]:
    """Inside, a signal asks all runs to stop, and a second one ends them at once.

    Jobs of a launcher may be on other machines, where no signal from here reaches them: the study waits for them, and
    a second signal leaves them to themselves.
    """

    def ask(number: int, frame: FrameType | None) -> None:
        stop.ask(number)
        let_go_of_lost_terminal()
        os.write(2, f"{ANSWERS[jobs][stop.at_once]}\n".encode())
        if jobs and stop.at_once:
            os._exit(128 + number)

    before = {number: signal.signal(number, ask) for number in stop_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
