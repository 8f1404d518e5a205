"""What all stages that train have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from reft_lab.methods.base import StageKind
from reft_lab.methods.stages.optimizer import Optimizer
from reft_lab.policy.flops import Flops
from reft_lab.policy.model import Policy
from reft_lab.policy.packing import own_micro_batches
from reft_lab.randomness import torch_seed


class Training:
    """The part of a stage (methods.base.Stage) that counts steps and descends.

    Attributes:
        seed: keys everything random.
        tokens_per_micro_batch: token budget of one forward and backward pass.
    """

    optimizer: Optimizer
    total_steps: int

    def __init__(self, policy: Policy, kind: StageKind, *, seed: int, tokens_per_micro_batch: int):
        """`policy` is trained in place; the name of `kind` keys the randomness beside the seed."""
        self.policy = policy
        self.kind = kind
        self.seed = seed
        self.tokens_per_micro_batch = tokens_per_micro_batch
        self.step = 0
        self._flops = Flops.of(policy)

    @property
    def done(self) -> bool:
        return self.step >= self.total_steps

    def counters(self) -> dict[str, Any]:
        return {"step": self.step, "optimizer": self.optimizer.counters()}

    def restore(self, counters: dict[str, Any]) -> None:
        self.step = counters["step"]
        self.optimizer.restore_counters(counters["optimizer"])

    def descend(
        self, lengths: Sequence[int], share: Callable[[list[int]], Sequence[Tensor]]
    ) -> tuple[list[float], float, float]:
        """One optimiser step on a loss that is computed in micro-batches, with dropout.

        The policy's ranks share the work. The dropout of a micro-batch is keyed by (seed, stage, optimiser step, number
        of the micro-batch).

        Args:
            lengths: tokens of each sequence.
            share: what some of the sequences, by their places in `lengths`, contribute to the loss, with its gradient,
                and to other numbers that add up.

        Returns:
            The loss and the other numbers of all sequences, the gradient's norm before clipping, and the learning rate.

        Raises:
            FloatingPointError: the gradient is not finite; the weights are left as they were.
        """
        self.policy.train()
        ranks, parts = self.policy.ranks, {}
        groups = own_micro_batches(ranks, lengths, self.tokens_per_micro_batch)
        shortest = min(range(len(lengths)), key=lengths.__getitem__)
        for number, group in self.policy.in_step(groups, shortest):
            torch.manual_seed(torch_seed(self.seed, self.kind.name, "dropout", self.optimizer.steps, number or 0))
            loss, *others = share(group)
            if number is None:
                (0 * loss).backward()
                continue
            loss.backward()
            self.optimizer.set_aside(number)
            parts[number] = torch.stack([loss.detach(), *others])
        sums = ranks.total(parts)
        self.optimizer.add_up()
        return (sums, *self.optimizer.step())
