"""Supervised fine-tuning on (question, chain of thought), paper section 3.1.

The same stage is the warm-up of ReFT and the SFT baseline; they differ in their settings.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reft_lab.equations.losses import group_weights, sft_loss
from reft_lab.errors import phase
from reft_lab.methods.base import Cost, StageKind, Step
from reft_lab.methods.settings import SFTConfig
from reft_lab.methods.stages.epochs import Epochs
from reft_lab.methods.stages.optimizer import Optimizer, constant, linear_decay
from reft_lab.policy.model import Policy
from reft_lab.policy.packing import Sequences
from reft_lab.policy.scoring import score_packed


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt and the gold response to it.

    Attributes:
        prompt: ids of the prompt, not empty.
        completion: ids of the gold chain of thought, the end-of-sequence token last.
    """

    prompt: list[int]
    completion: list[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.completion)


class SupervisedFineTuning(Epochs):
    """Supervised fine-tuning, one optimiser step at a time; methods.base.Stage describes what is not said here.

    Nothing but `step`, the weights and the optimiser's state changes while it runs; the order of the examples and the
    dropout of a step are keyed by (seed, stage, epoch or step).
    """

    def __init__(
        self,
        policy: Policy,
        examples: Sequence[Example],
        config: SFTConfig,
        *,
        kind: StageKind,
        seed: int,
        pad_id: int,
        tokens_per_micro_batch: int,
        optimizer: str = "adamw",
        opening: Step | None = None,
    ):
        """Args:
        policy: trained in place; its value model is left alone.
        examples: the training examples, at least one.
        kind: what the stage is; its name keys the randomness.
        tokens_per_micro_batch: token budget of one forward and backward pass.
        optimizer: adamw or adamw_8bit.
        opening: what came before the first step, and is recorded with it.
        """
        super().__init__(
            policy, len(examples), config, kind=kind, seed=seed, tokens_per_micro_batch=tokens_per_micro_batch
        )
        self.examples = examples
        self.config = config
        self.sequences = Sequences([e.prompt for e in examples], [e.completion for e in examples], pad_id)
        self._opening = opening
        laid_out = self.steps_per_epoch * (config.schedule_epochs or config.epochs)
        warmup = round(config.lr_warmup_fraction * laid_out)
        schedule = linear_decay(laid_out, warmup) if config.schedule == "linear" else constant(warmup)
        self.optimizer = Optimizer(policy, policy.trained_parameters(), config, schedule, kind=optimizer)

    def advance(self) -> Step:
        """Do one optimiser step on the mean loss of a batch: over its completion tokens, or in groups first."""
        started = time.perf_counter()
        with phase("training"):
            loss, norm, rate, cost = self._descend()
        self.step += 1
        took = time.perf_counter() - started
        metrics = {"loss": loss, "grad_norm": norm, "lr": rate, "epoch": self.step / self.steps_per_epoch}
        named = {f"{self.kind.name}/{name}": value for name, value in metrics.items()}
        speed = {"time/step_seconds": took, "time/step_tokens_per_second": cost.trained_tokens / took}
        done = Step(named | speed, cost=cost)
        if self._opening is not None and self.step == 1:
            done.metrics, done.cost = self._opening.metrics | done.metrics, self._opening.cost + cost
            done.notes = self._opening.notes
        return done

    def _descend(self) -> tuple[float, float, float, Cost]:
        """One optimiser step: its loss (nats a token), gradient norm, learning rate, and what it took."""
        chosen = self.batch()
        lengths = self.sequences.lengths[chosen].tolist()
        completions = self.sequences.responses[chosen].tolist()
        total = sum(completions)

        weights = None
        if self.config.loss_average == "group":
            weights = torch.zeros(len(self.examples))
            weights[chosen] = torch.tensor(group_weights(completions, self.config.loss_group))

        def share(group: list[int]) -> tuple[Tensor]:
            batch = self.sequences.packed([chosen[i] for i in group], self.policy.device)
            losses = sft_loss(score_packed(self.policy, batch).logprobs)
            if weights is None:
                return (losses.sum() / total,)
            return ((weights.to(losses.device)[batch.index] * losses).sum(),)

        (loss,), norm, rate = self.descend(lengths, share)
        flops = self._flops.training((len(self.examples[i].prompt), len(self.examples[i].completion)) for i in chosen)
        cost = Cost(questions=len(chosen), trained_tokens=total, optimizer_steps=1, flops=flops)
        return loss, norm, rate, cost
