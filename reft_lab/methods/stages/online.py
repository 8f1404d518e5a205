"""Online self-training, paper section 4.2.

Each iteration samples responses to a batch of training questions, and takes the loss of supervised fine-tuning on those
that are right and on the gold reasoning.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from reft_lab.equations.losses import sft_loss, token_weights
from reft_lab.errors import phase
from reft_lab.methods.base import Cost, StageKind, Step
from reft_lab.methods.settings import OnlineSTConfig
from reft_lab.methods.stages.asking import Asking, Batch
from reft_lab.methods.stages.iterations import Iterations
from reft_lab.methods.stages.optimizer import Optimizer, constant
from reft_lab.methods.stages.rollouts import sampled_metrics
from reft_lab.policy.model import Policy
from reft_lab.policy.packing import Sequences
from reft_lab.policy.scoring import score_packed


@dataclass(frozen=True)
class Lesson:
    """What one optimiser step learns from: responses of the policy, and the gold one to each of their questions.

    Attributes:
        prompts, responses: ids of them all.
        counts: whether each is learned from; one that is wrong is not, but goes through the model all the same.
    """

    prompts: list[list[int]]
    responses: list[list[int]]
    counts: list[bool]

    @property
    def lengths(self) -> list[tuple[int, int]]:
        """Tokens of each prompt and response."""
        return [(len(p), len(r)) for p, r in zip(self.prompts, self.responses, strict=True)]

    @property
    def tokens(self) -> int:
        """Of the responses that count."""
        return sum(len(response) for response, counts in zip(self.responses, self.counts, strict=True) if counts)

    def weights(self, average: str) -> list[float]:
        """The weight of a token in each response: 0 in one that does not count, and all of them sum to 1."""
        counted = [len(r) for r, counts in zip(self.responses, self.counts, strict=True) if counts]
        of_counted = iter(token_weights(counted, average))
        return [next(of_counted) if counts else 0.0 for counts in self.counts]


class OnlineSelfTraining(Iterations):
    """Online self-training, one iteration at a time; methods.base.Stage describes what is not said here.

    How many optimiser steps an iteration takes, and how many sequences go through the model, never depends on how many
    responses are right. Nothing but `step`, the weights and the optimiser's state changes while it runs; questions and
    draws are keyed as those of reinforcement are.
    """

    config: OnlineSTConfig

    def __init__(
        self,
        policy: Policy,
        asking: Asking,
        gold: Sequence[list[int]],
        config: OnlineSTConfig,
        *,
        kind: StageKind,
        tokens_per_micro_batch: int,
        optimizer: str = "adamw",
        records: Callable[[Batch], list[dict[str, Any]]] | None = None,
    ):
        """Args:
        policy: trained in place.
        asking: how the training questions are put to it; rewards are recorded and teach nothing.
        gold: ids of the gold reasoning that follows the prompt of each question, end-of-sequence included.
        tokens_per_micro_batch: token budget of one forward and backward pass.
        optimizer: adamw or adamw_8bit.
        records: what is kept of the responses of an iteration that is followed by an evaluation.
        """
        super().__init__(policy, asking, config, kind=kind, tokens_per_micro_batch=tokens_per_micro_batch)
        self.gold = gold
        self.records = records
        self.optimizer = Optimizer(
            policy, policy.trained_parameters(), config, constant(config.lr_warmup_steps), kind=optimizer
        )

    def advance(self) -> Step:
        """Do one iteration: sample, judge, and one optimiser step for each mini-batch."""
        batch = self._collector.collect(self.policy, self.step, dynamic=False).kept
        started = time.perf_counter()
        lessons = self._lessons(batch)
        with phase("updating"):
            steps = [self._learn(lesson) for lesson in lessons]
        took = time.perf_counter() - started
        self.step += 1

        right = sum(
            n for (_, n), outcome in zip(batch.lengths, batch.outcomes, strict=True) if outcome.kind == "correct"
        )
        trained = sum(lesson.tokens for lesson in lessons)
        losses, norms, rates = zip(*steps, strict=True)
        metrics = sampled_metrics(batch, self.asking.config) | {
            "online/loss": sum(losses) / len(losses),
            "online/grad_norm": sum(norms) / len(norms),
            "online/lr": rates[-1],
            "online/sampled_share": right / trained,
            "online/entropy": batch.sampled.entropies[batch.sampled.mask].mean().item(),
            "time/rollout_seconds": batch.sampling,
            "time/judge_seconds": batch.judging,
            "time/update_seconds": took,
            "time/rollout_tokens_per_second": batch.tokens / batch.sampling,
            "time/update_tokens_per_second": sum(r for lesson in lessons for _, r in lesson.lengths) / took,
        }
        flops = self._flops.sampling(batch.lengths)
        cost = Cost(
            questions=self._collector.wanted,
            sampled_tokens=batch.tokens,
            trained_tokens=trained,
            optimizer_steps=len(lessons),
            flops=flops + sum(self._flops.training(lesson.lengths) for lesson in lessons),
        )
        samples = self.records(batch) if self.records is not None and self.is_evaluated else []
        return Step(metrics, samples, cost=cost)

    def _lessons(self, batch: Batch) -> list[Lesson]:
        """A mini-batch of responses each; the gold reasoning of a question stands behind the responses to it."""
        written, lessons = batch.sampled.lists(), []
        right = [outcome.kind == "correct" for outcome in batch.outcomes]
        for start in range(0, len(batch), self.config.mini_batch):
            chosen = range(start, min(start + self.config.mini_batch, len(batch)))
            asked = [batch.questions[i] for i in chosen][:: self.config.samples_per_problem]
            lessons.append(
                Lesson(
                    [*(batch.prompts[i] for i in chosen), *(self.asking.prompts[q] for q in asked)],
                    [*(written[i] for i in chosen), *(self.gold[q] for q in asked)],
                    [*(right[i] for i in chosen), *(True for _ in asked)],
                )
            )
        return lessons

    def _learn(self, lesson: Lesson) -> tuple[float, float, float]:
        """One optimiser step: its loss (nats a token), gradient norm and learning rate."""
        sequences = Sequences(lesson.prompts, lesson.responses, self.asking.pad_id)
        weights = torch.tensor(lesson.weights(self.config.loss_average), device=self.policy.device)

        def share(group: list[int]) -> tuple[Tensor]:
            packed = sequences.packed(group, self.policy.device)
            return ((weights[packed.index] * sft_loss(score_packed(self.policy, packed).logprobs)).sum(),)

        (loss,), norm, rate = self.descend(sequences.lengths.tolist(), share)
        return loss, norm, rate
