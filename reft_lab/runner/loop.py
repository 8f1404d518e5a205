"""The loop around a stage: advance, evaluate, record, check alarms, save the state; a signal stops it in good order."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict

from reft_lab.config.running import parse_every
from reft_lab.errors import Interrupted, OutOfMemory, Pruned, RankLost, RewardFailed, RunFailed
from reft_lab.memory.heap import Heap
from reft_lab.methods.base import Stage
from reft_lab.metrics import watched
from reft_lab.programs import ProgramRunner
from reft_lab.runner.alarms import Alarms
from reft_lab.runner.budget import Budget
from reft_lab.runner.checkpoint import Checkpoints
from reft_lab.runner.interruption import Interruption
from reft_lab.runner.overfit import Overfit
from reft_lab.runner.profiling import Profiling
from reft_lab.runner.progress import TRAINING
from reft_lab.runner.selection import Selection


class Loop:
    """Takes stages to their end one after the other, on one step axis."""

    def __init__(
        self,
        selection: Selection,
        checkpoints: Checkpoints,
        interruption: Interruption,
        programs: ProgramRunner,
        report: Callable[[int, dict[str, float]], bool] | None,
        overfit: Overfit | None = None,
    ):
        """`report` is told of the evaluations of the stage that makes the final policy, and says whether to stop.

        `overfit` ends stages where all is learned; None: nothing is to be learned by heart.
        """
        self.selection = selection
        self.progress, self.tracker = selection.progress, selection.tracker
        self.ranks = selection.setup.ranks
        self.checkpoints = checkpoints
        self.interruption = interruption
        self.programs = programs
        self.report = report
        self.overfit = overfit or Overfit()
        config = selection.setup.config
        self.budget = Budget(config.budget, self.progress)
        self.alarms = Alarms(config.alarms)
        if self.progress.alarms:
            self.alarms.restore(self.progress.alarms)
        self._every = parse_every(config.checkpoint.every)
        self._saved_at = time.monotonic()
        self._heap = Heap()
        self._profiling = Profiling(config.tracker.profile, self.tracker)
        # Optimiser steps at which weights, progress and records last belonged together; None while they are written.
        self._settled: int | None = None
        self._is_saved = False
        self._refused_elsewhere: list[tuple[str, str, int]] = []  # programs, by the other ranks
        self._is_enough = False  # the stage at work has come to what it should

    def run(self, stage: Stage, label: str, *, is_last: bool) -> None:
        """Take a stage to its end, from its beginning or from somewhere within; `label` is what the run calls it.

        A budget may end it before: at the first step that reaches it, which is then evaluated.

        The last stage makes the final policy, so its best evaluation counts and a study may judge by it.

        Raises:
            Interrupted: a signal came; the state was saved where possible.
            RunFailed: an alarm says stop; the state was saved.
            Pruned: the study says stop; the state was saved.
        """
        progress, kind = self.progress, stage.kind
        progress.stage = kind.name
        self._settle(stage)
        self._heap.begin()
        self._is_saved = self._is_enough = False
        self.ranks.take_waited()  # until all were here
        try:
            display, spent = self.tracker.display, self.budget.spent
            with (
                self._profiling.stage(stage),
                display.stage(label, stage.total_steps, kind.unit, done=stage.step, spent=spent) as bar,
            ):
                took = 0.0
                while progress.pending is not None or not (stage.done or self.budget.reached or self._is_enough):
                    began = time.monotonic()
                    record = self._step(stage, took, is_last=is_last)
                    took = time.monotonic() - began
                    progress.add_seconds(kind.name, took)
                    bar.update(stage.step, **watched(record), **self.selection.shown())
                    self._heap.tidy()
                    self.interruption.check()
        except (Interrupted, OutOfMemory, RewardFailed, RankLost) as error:
            # Of weights in parts all ranks save theirs, so all must have come here.
            can_save = stage.policy.sharding is None or isinstance(error, RewardFailed)
            is_new = self._settled == stage.optimizer.steps and not self._is_saved
            if is_new and can_save and not self.interruption.at_once:
                self._save(stage)
            raise
        self.ranks.wait()  # what was written is there for all
        if said := self.budget.end(stage, label):
            self.selection.setup.notes.append(said)

    def _step(self, stage: Stage, expected: float, *, is_last: bool) -> dict[str, float]:
        """One step from its beginning, or from its evaluation, to its records; returns its metrics."""
        progress, why_stop = self.progress, None
        first = self.tracker.step - stage.step + (progress.pending is not None)  # the step axis before this stage
        evaluation = None
        with self.interruption.step(expected):
            if progress.pending is None:
                self._is_saved = False
                began = time.monotonic()
                with self._profiling.step(stage):
                    progress.pending = stage.advance()
                took = time.monotonic() - began - progress.pending.aside
                progress.add_seconds(TRAINING, self.ranks.agreed(lambda: took))  # a budget goes by it
                for note in progress.pending.notes:
                    self.tracker.display.note(note)
                self._settle(stage)
            is_cut = bool(self.budget.reached) and not stage.done and not stage.is_evaluated
            if is_cut:
                self._save(stage)  # before an evaluation that a run with a larger budget would not have
            if stage.is_evaluated or is_cut:
                evaluation = self.selection.look(stage)
        with self.interruption.unbroken():
            self._settled = None
            step, record = first + stage.step, dict(progress.pending.metrics)
            if evaluation is not None:
                record |= self.selection.take(evaluation, stage, picks_best=is_last)
            if stage.kind.has_alarms:
                why_stop = self._check_alarms(stage, record)
                record |= self.alarms.metrics()
            record |= self._waiting(stage)
            self.tracker.log(step, record, progress.pending.samples)
            progress.add_times(stage.kind.name, record)
            progress.add_cost(stage.kind.name, progress.pending.cost)
            progress.pending = None
            self._settle(stage)
            self._is_enough = self.overfit.is_reached(stage, record, is_last=is_last)
            due = self._is_due(stage, evaluated=evaluation is not None) or self._is_enough
            is_due, asked = self.ranks.agreed(lambda: (due, self.interruption.asked))
            if not self.ranks.leads:
                self.interruption.asked = asked
            if not is_cut and (why_stop or asked or is_due):
                self._save(stage)
        if why_stop:
            raise RunFailed(why_stop)
        if evaluation is not None and is_last:
            is_pruned = self.ranks.agreed(lambda: self.report is not None and self.report(stage.step, record))
            if is_pruned and not stage.done:
                if not self._is_saved:
                    self._save(stage)
                done, accuracy = f"{stage.step} {stage.kind.unit}", f"{100 * evaluation.score.accuracy:.1f} %"
                raise Pruned(f"stopped by its study after {done}, at an accuracy of {accuracy}")
        return record

    def _settle(self, stage: Stage) -> None:
        """Weights, progress and records belong together now."""
        self._settled = stage.optimizer.steps
        self.progress.refused = self.programs.refused_with(self._refused_elsewhere)

    def _check_alarms(self, stage: Stage, record: dict[str, float]) -> str | None:
        """Report alarms and do what they ask for; returns why the run must stop, if it must."""
        why_stop = None
        for alarm in self.alarms.check(stage.step, record):
            if alarm.began and alarm.action == "stop":
                why_stop = alarm.sentence
            else:
                self.tracker.display.note(alarm.sentence)
        stage.optimizer.scale = self.alarms.rate_scale
        return why_stop

    def _is_due(self, stage: Stage, *, evaluated: bool) -> bool:
        if stage.done:
            return True
        if self._every.steps:
            return stage.step % self._every.steps == 0
        if self._every.seconds:
            return time.monotonic() - self._saved_at >= self._every.seconds
        return evaluated

    def _waiting(self, stage: Stage) -> dict[str, float]:
        """How long ranks have waited for each other since the last step; a look at whether they still agree.

        Raises:
            RunFailed: they do not.
        """
        if self.ranks.size == 1:
            return {}
        found = self.ranks.gather((self.ranks.take_waited(), stage.policy.fingerprint(), self.programs.refused))
        self._refused_elsewhere = [each for _, _, refused in found[1:] for each in refused]
        if len({fingerprint for _, fingerprint, _ in found}) > 1:
            raise RunFailed(
                f"the processes of the run have other weights than each other after {stage.moment}; that is a fault of "
                "the machine or of this program: go on from the last state with resume=, and report it if it returns."
            )
        return {"time/waiting_seconds": sum(waited for waited, _, _ in found) / len(found)}

    def _save(self, stage: Stage) -> None:
        if not self.ranks.leads:
            with self.tracker.directory.writing("checkpoints"):
                self.checkpoints.save(stage, {})  # its part
            self._is_saved = True
            return
        started = time.monotonic()
        with self.interruption.unbroken():
            self.progress.alarms = self.alarms.state()
            self.tracker.directory.sync()
            where = {"tracker_step": self.tracker.step, "elapsed": self.tracker.elapsed}
            with self.tracker.directory.writing("checkpoints"):
                self.checkpoints.save(stage, asdict(self.progress) | where)
        self._is_saved, self._saved_at = True, time.monotonic()
        self.progress.add_seconds("checkpoints", self._saved_at - started)
