"""The loop around a stage: advance, evaluate, record, heed alarms, save the state; a signal stops it in good order."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from reft_lab.config.alarms import AlarmsConfig
from reft_lab.config.running import CheckpointConfig, parse_every
from reft_lab.errors import Interrupted, OutOfMemory, Pruned, RunFailed
from reft_lab.evaluation.greedy import Evaluation
from reft_lab.methods.reft import ReFT
from reft_lab.methods.sft import SFT
from reft_lab.programs import ProgramRunner
from reft_lab.runner.alarms import Alarms
from reft_lab.runner.checkpoint import Checkpoints
from reft_lab.runner.interruption import Interruption
from reft_lab.runner.progress import Pending, Progress
from reft_lab.tracking.tracker import Tracker


@dataclass(frozen=True)
class Course:
    """How the loop goes through one stage.

    Attributes:
        stage: the stage.
        name: what it is called in the state and on the terminal.
        unit: what it counts.
        advance: do one step of it.
        is_evaluated: whether the step that was just done is followed by an evaluation.
        evaluate: the evaluation on the selection split.
        keep: make what there is to say of an evaluation, and keep the weights where they are the best so far.
        watched: of the metrics of a step, those people watch.
        is_last: whether the stage makes the final policy, so that a study may judge by it.
    """

    stage: SFT | ReFT
    name: str
    unit: str
    advance: Callable[[], Pending]
    is_evaluated: Callable[[], bool]
    evaluate: Callable[[], Evaluation]
    keep: Callable[[Evaluation], dict[str, float]]
    watched: Callable[[dict[str, float]], dict[str, float]]
    is_last: bool


class Loop:
    """Runs courses one after the other on one step axis."""

    def __init__(
        self,
        progress: Progress,
        tracker: Tracker,
        checkpoints: Checkpoints,
        interruption: Interruption,
        programs: ProgramRunner,
        saving: CheckpointConfig,
        alarms: AlarmsConfig,
        report: Callable[[int, dict[str, float]], bool] | None,
    ):
        """`report` is told of evaluations by steps of the stage that makes the final policy; whether to stop there."""
        self.progress = progress
        self.tracker = tracker
        self.checkpoints = checkpoints
        self.interruption = interruption
        self.programs = programs
        self.report = report
        self.alarms = Alarms(alarms)
        if progress.alarms:
            self.alarms.restore(progress.alarms)
        self._every = parse_every(saving.every)
        self._saved_at = time.monotonic()
        # Optimiser steps at which weights, progress and records last belonged together; None while they are written.
        self._settled: int | None = None
        self._is_saved = False

    def run(self, course: Course) -> None:
        """Take a stage to its end.

        Raises:
            Interrupted: a signal was heard; where it could be, the state was saved.
            RunFailed: an alarm says stop; the state was saved.
            Pruned: the study says stop; the state was saved.
        """
        stage, progress = course.stage, self.progress
        progress.stage = course.name
        self._settle(stage)
        self._is_saved = False
        try:
            title = course.name, stage.total_steps, course.unit
            with self.tracker.display.stage(*title, done=stage.step) as bar:
                took = 0.0
                while progress.pending is not None or not stage.done:
                    began = time.monotonic()
                    record = self._step(course, took)
                    took = time.monotonic() - began
                    progress.add_seconds(course.name, took)
                    bar.update(stage.step, **course.watched(record))
                    self.interruption.heed()
        except (Interrupted, OutOfMemory):
            if self._settled == stage.optimizer.steps and not self._is_saved and not self.interruption.at_once:
                self._save(stage)
            raise

    def _step(self, course: Course, expected: float) -> dict[str, float]:
        """One step from its beginning, or from its evaluation, to its records; returns its metrics."""
        stage, progress = course.stage, self.progress
        first = self.tracker.step - stage.step + (progress.pending is not None)  # the step axis before this stage
        evaluation = None
        with self.interruption.step(expected):
            if progress.pending is None:
                self._is_saved = False
                progress.pending = course.advance()
                self._settle(stage)
            if course.is_evaluated():
                evaluation = course.evaluate()
        with self.interruption.unbroken():
            self._settled = None
            step, record = first + stage.step, dict(progress.pending.metrics)
            if evaluation is not None:
                record |= course.keep(evaluation)
            if isinstance(stage, ReFT):
                why_stop = self._heed(stage, record)
                record |= self.alarms.metrics()
            else:
                why_stop = None
            self.tracker.log(step, record, progress.pending.samples)
            progress.pending = None
            self._settle(stage)
            if why_stop or self.interruption.asked or self._is_due(stage, evaluated=evaluation is not None):
                self._save(stage)
        if why_stop:
            raise RunFailed(why_stop)
        if (
            evaluation is not None
            and course.is_last
            and self.report is not None
            and self.report(stage.step, record)
            and not stage.done
        ):
            if not self._is_saved:
                self._save(stage)
            accuracy = 100 * evaluation.score.accuracy
            raise Pruned(f"stopped by its study after {stage.step} {course.unit}, at an accuracy of {accuracy:.1f} %")
        return record

    def _settle(self, stage: SFT | ReFT) -> None:
        """Weights, progress and records belong together now."""
        self._settled = stage.optimizer.steps
        self.progress.refused = self.programs.refused

    def _heed(self, stage: ReFT, record: dict[str, float]) -> str | None:
        """Say what alarms say and do what they ask for; returns why the run must stop, if it must."""
        why_stop = None
        for alarm in self.alarms.check(stage.step, record):
            if alarm.began and alarm.action == "stop":
                why_stop = alarm.sentence
            else:
                self.tracker.display.note(alarm.sentence)
        stage.optimizer.scale = self.alarms.rate_scale
        return why_stop

    def _is_due(self, stage: SFT | ReFT, *, evaluated: bool) -> bool:
        if stage.done:
            return True
        if self._every.steps:
            return stage.step % self._every.steps == 0
        if self._every.seconds:
            return time.monotonic() - self._saved_at >= self._every.seconds
        return evaluated

    def _save(self, stage: SFT | ReFT) -> None:
        started = time.monotonic()
        with self.interruption.unbroken():
            self.progress.alarms = self.alarms.state()
            self.tracker.directory.sync()
            where = {"tracker_step": self.tracker.step, "elapsed": self.tracker.elapsed}
            with self.tracker.directory.writing("checkpoints"):
                self.checkpoints.save(stage, self.progress.as_json() | where)
        self._is_saved, self._saved_at = True, time.monotonic()
        self.progress.add_seconds("checkpoints", self._saved_at - started)
