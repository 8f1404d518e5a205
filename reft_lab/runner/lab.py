"""What a method trains with (`reft_lab.methods.base.Lab`): the setup of a run, and the loop its stages go through."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from reft_lab.cot import Prompts
from reft_lab.data import Problem
from reft_lab.errors import LOADING, BadInput, phase
from reft_lab.evaluation.samples import Sample
from reft_lab.methods.base import Method, Settings, Stage, StageKind
from reft_lab.methods.sft import WARMUP
from reft_lab.policy import loading, saving
from reft_lab.policy.model import Policy
from reft_lab.runner.loop import Loop
from reft_lab.runner.pool import Pools
from reft_lab.runner.progress import TRAINING
from reft_lab.runner.setup import Setup
from reft_lab.runner.warmups import Warmups


class Lab:
    """One run's lab; methods.base.Lab describes what is not said here."""

    def __init__(self, setup: Setup, method: Method, loop: Loop, pools: Pools, warmups: Warmups, state: Path | None):
        """`state` is the full state to go on from, which the loop's progress belongs to; None begins."""
        self.settings: Settings = setup.config
        self.policy, self.codec = setup.policy, setup.codec
        self.examples, self.questions, self.asking = setup.examples, setup.questions, setup.asking
        self.solved, self.gold, self.normal_form = setup.solved, setup.gold_reasoning, setup.form.normal_form
        self.note = setup.notes.append
        self.tokens_per_micro_batch = setup.config.trainer.tokens_per_micro_batch
        self.optimizer = setup.config.trainer.optimizer
        self.park_reference = setup.config.trainer.park_reference
        self.samples = setup.config.tracker.samples
        self.evaluated: Sequence[Sequence[Problem]] = [
            part for part in (loop.selection.problems, loop.selection.others) if part
        ]
        self._setup, self._method, self._loop = setup, method, loop
        self._pools, self._warmups, self._state = pools, warmups, state
        self._began_in = loop.progress.stage  # the stage that the state is of; empty at the beginning

    def prompts(self, problems: Sequence[Problem], prompts: Prompts) -> list[list[int]]:
        return self._pools.ask(self.policy, problems, prompts).prompts

    def pool(
        self,
        policy: Policy,
        problems: Sequence[Problem],
        samples: int,
        *,
        prompts: Prompts,
        title: str,
        is_training: bool = True,
    ) -> list[list[Sample]]:
        began = time.monotonic()
        samples_of = self._pools.samples(policy, problems, samples, prompts=prompts, title=title)
        if is_training:
            took = time.monotonic() - began
            self._loop.progress.add_seconds(TRAINING, self._setup.ranks.agreed(lambda: took))
        return samples_of

    def is_past(self, kind: StageKind) -> bool:
        names = [stage.name for stage in self._method.stages]
        return self._began_in in names[names.index(kind.name) + 1 :]

    def train(self, stage: Stage) -> None:
        is_last = stage.kind.name == self._method.last.name
        if self._state is not None and stage.kind.name == self._began_in:
            self._loop.checkpoints.load(self._state, stage)
        if is_last and stage.step > stage.total_steps:
            raise BadInput(
                f"the run has done {stage.step} steps already, more than the {stage.total_steps} that it is to have "
                f"now; raise {stage.kind.section}.{stage.kind.length}."
            )
        label = next(kind.label for kind in self._method.stages if kind.name == stage.kind.name)
        self._loop.run(stage, label, is_last=is_last)
        if stage.kind.name == WARMUP.name and self._setup.ranks.leads:
            self._warmups.keep(stage, self._loop.tracker.directory)
        if is_last:
            self._loop.selection.settle(stage)

    @property
    def is_spent(self) -> bool:
        return self._loop.budget.reached is not None

    def start_over(self) -> None:
        with phase(LOADING):
            config = self._setup.config
            fresh = loading.load_model(config.model, self.codec.tokenizer, config.seed)
            self.policy.lm.load_state_dict(fresh.state_dict())

    def keep_warmup(self, *, is_candidate: bool = True) -> None:
        self._loop.selection.keep_warmup(WARMUP.label, WARMUP.prompts, is_candidate=is_candidate)

    def take_given(self, kind: StageKind) -> None:
        self._loop.selection.take_given(kind)

    def warmed_up(self) -> Policy:
        with phase(LOADING):
            policy = self.policy.reference()
            if self.is_past(WARMUP):
                saving.load_weights(policy, self._loop.checkpoints.warmup)
        return policy
