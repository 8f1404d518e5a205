"""Passes over a fixed set of examples, an optimiser step at a time."""

from __future__ import annotations

from reft_lab.methods.base import StageKind
from reft_lab.methods.settings import RerankerConfig, SFTConfig
from reft_lab.methods.stages.training import Training
from reft_lab.policy.model import Policy
from reft_lab.randomness import permutation


class Epochs(Training):
    """The part of a stage (methods.base.Stage) that counts, where it passes over examples again and again.

    The order of an epoch is keyed by (seed, stage, epoch), so `step` and the optimiser's state are all there is to
    save.

    Attributes:
        steps_per_epoch: optimiser steps of one pass over the examples; the last batch of an epoch may be smaller.
    """

    def __init__(
        self,
        policy: Policy,
        examples: int,
        config: SFTConfig | RerankerConfig,
        *,
        kind: StageKind,
        seed: int,
        tokens_per_micro_batch: int,
    ):
        """Args:
        policy: trained in place.
        examples: how many there are, at least one.
        config: epochs, batch_size, eval_every.
        kind: what the stage is; its name keys the randomness.
        tokens_per_micro_batch: token budget of one forward and backward pass.
        """
        super().__init__(policy, kind, seed=seed, tokens_per_micro_batch=tokens_per_micro_batch)
        self.steps_per_epoch = -(-examples // config.batch_size)
        self.total_steps = self.steps_per_epoch * config.epochs
        self._examples, self._batch_size, self._eval_every = examples, config.batch_size, config.eval_every
        self._epoch_order: tuple[int, list[int]] | None = None

    @property
    def epoch(self) -> int:
        """Whole passes over the examples that are done."""
        return self.step // self.steps_per_epoch

    @property
    def is_evaluated(self) -> bool:
        ended = self.step % self.steps_per_epoch == 0
        return ended and (self.epoch % self._eval_every == 0 or self.done)

    @property
    def moment(self) -> str:
        return f"epoch {self.epoch}" if self.epoch else "the start"

    def batch(self) -> list[int]:
        """The examples of this step."""
        epoch, index = divmod(self.step, self.steps_per_epoch)
        return self._order(epoch)[index * self._batch_size : (index + 1) * self._batch_size]

    def _order(self, epoch: int) -> list[int]:
        """The order of the examples in an epoch, kept while the epoch lasts: making it takes as long as it is."""
        if self._epoch_order is None or self._epoch_order[0] != epoch:
            self._epoch_order = epoch, permutation(self._examples, self.seed, self.kind.name, "order", epoch)
        return self._epoch_order[1]
