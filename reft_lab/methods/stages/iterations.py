"""Sampling and learning in turn: iterations over the training questions."""

from __future__ import annotations

import math

from reft_lab.methods.base import StageKind
from reft_lab.methods.settings import IterationsConfig
from reft_lab.methods.stages.asking import Asking
from reft_lab.methods.stages.dynamic import Collector
from reft_lab.methods.stages.training import Training
from reft_lab.methods.stages.walk import is_passed
from reft_lab.policy.model import Policy


class Iterations(Training):
    """The part of a stage (methods.base.Stage) that counts, where each step asks the next questions.

    Attributes:
        asking: how questions are put to the policy.
    """

    def __init__(
        self,
        policy: Policy,
        asking: Asking,
        config: IterationsConfig,
        *,
        kind: StageKind,
        tokens_per_micro_batch: int,
        first: int = 0,
    ):
        """`first` iterations come before, and on top of, those that `config` speaks of."""
        super().__init__(policy, kind, seed=asking.seed, tokens_per_micro_batch=tokens_per_micro_batch)
        self.asking = asking
        self.config = config
        self._collector = Collector(asking, config)
        passes = math.ceil(config.data_epochs * len(asking.prompts) / self._collector.wanted)
        self.total_steps = first + (passes if config.iterations is None else config.iterations)

    @property
    def done(self) -> bool:
        return self._is_done(self.step, self._collector.beyond[1])

    @property
    def is_evaluated(self) -> bool:
        return self._is_evaluated(self.step, *self._collector.beyond)

    @property
    def moment(self) -> str:
        return f"iteration {self.step}"

    def _is_done(self, step: int, beyond: int) -> bool:
        """Whether `step` iterations are all, with so many questions asked beyond theirs."""
        return step >= self.total_steps

    def _is_evaluated(self, step: int, before: int, beyond: int) -> bool:
        """Whether iteration `step` is, with so many questions asked beyond those of the iterations before and by it."""
        if self.config.eval_every_epochs is None:
            return step % self.config.eval_every == 0 or self._is_done(step, beyond)
        every, own = self.config.eval_every_epochs * len(self.asking.prompts), self._collector.wanted
        return is_passed(every, (step - 1) * own + before, step * own + beyond) or self._is_done(step, beyond)
