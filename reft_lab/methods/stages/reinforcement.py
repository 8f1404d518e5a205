"""Reinforcement, paper section 3.2 and algorithm 1.

Each iteration samples responses to a batch of training questions, has them judged, and passes over them with PPO.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from reft_lab.errors import phase
from reft_lab.evaluation.settings import AuditConfig
from reft_lab.methods.base import Cost, StageKind, Step
from reft_lab.methods.settings import PPOConfig
from reft_lab.methods.stages.asking import Asking
from reft_lab.methods.stages.critic_audit import AUDIT_SECONDS, critic_metrics, critic_states
from reft_lab.methods.stages.dynamic import Collected
from reft_lab.methods.stages.iterations import Iterations
from reft_lab.methods.stages.optimizer import Optimizer, constant
from reft_lab.methods.stages.rollouts import (
    Rollouts,
    assemble,
    correct_sampler,
    position_metrics,
    rollout_metrics,
    sampled_metrics,
)
from reft_lab.methods.stages.update import update
from reft_lab.policy.flops import Flops
from reft_lab.policy.model import Policy
from reft_lab.policy.parked import Parked
from reft_lab.policy.sampling import Responses
from reft_lab.policy.scoring import score_all
from reft_lab.randomness import permutation
from reft_lab.text import counted

# Log-probabilities kept from sampling stand for the update's own while every ratio pi / pi_old is so close to 1.
RATIO_TOLERANCE = 1e-4
LARGE = 1e6  # rewards beyond it, squared by the value loss, are what a gradient overflows by


@dataclass(frozen=True)
class Iteration:
    """What one iteration did.

    Attributes:
        questions: the places of the rollouts' questions among the stage's prompts.
        rollouts: what was learned from.
        metrics: by the names of docs/metrics.md.
        notes: sentences for people.
        cost: what it took, with responses that were sampled and thrown away.
    """

    questions: list[int]
    rollouts: Rollouts
    metrics: dict[str, float]
    notes: list[str]
    cost: Cost


class Reinforcement(Iterations):
    """Reinforcement by PPO, one iteration at a time; methods.base.Stage describes what is not said here.

    Nothing but `step`, the weights and the optimiser's state changes while it runs, and with dynamic sampling how far
    the walk over the questions is. The order of questions is keyed by (seed, epoch), the draws of a response by (seed,
    iteration, question, sample).

    Attributes:
        parked: where the reference is while it scores nothing.
        total_steps: as many iterations as there are at most; dynamic sampling uses questions up sooner.
        rescore: whether the log-probabilities and values of rollouts are computed anew before the update, because
            those kept from sampling do not agree with it; None until the first iteration has found out.
    """

    config: PPOConfig

    def __init__(
        self,
        policy: Policy,
        reference: Policy,
        asking: Asking,
        *,
        kind: StageKind,
        tokens_per_micro_batch: int,
        optimizer: str = "adamw",
        park_reference: bool = False,
        audit: AuditConfig | None = None,
        records: Callable[[Reinforcement, Iteration], list[dict[str, Any]]] | None = None,
    ):
        """Args:
        policy: trained in place; it has a critic where `asking.config.credit` needs one.
        reference: pi_0, frozen.
        asking: how the training questions are put to it, with all settings of the stage.
        tokens_per_micro_batch: token budget of one forward and backward pass.
        optimizer: adamw or adamw_8bit.
        park_reference: keep the reference off a GPU while it scores nothing.
        audit: how often the critic is held against Monte-Carlo values, and against how many; None: never.
        records: what is kept of the responses of an iteration that is followed by an evaluation.
        """
        config, first = asking.config, asking.config.critic_warmup
        super().__init__(policy, asking, config, kind=kind, tokens_per_micro_batch=tokens_per_micro_batch, first=first)
        self.reference = reference
        self.parked = Parked(reference, is_wanted=park_reference)
        self.audit = audit
        self.records = records
        self._budget = {"pad_id": asking.pad_id, "tokens_per_micro_batch": tokens_per_micro_batch}
        # Kernels of different shapes agree in fp32 only, and the sampler runs no separate value model.
        must_rescore = policy.precision != "fp32" or policy.value_trunk is not None or config.importance == "token"
        self.rescore = True if must_rescore else None
        self.optimizer = Optimizer(
            policy,
            [p for p in policy.parameters() if p.requires_grad],
            config,
            constant(config.lr_warmup_steps),
            second=policy.value_parameters(),
            second_lr=config.value_lr,
            kind=optimizer,
        )

    def counters(self) -> dict[str, Any]:
        return super().counters() | {"beyond": list(self._collector.beyond), "rescore": self.rescore}

    def restore(self, counters: dict[str, Any]) -> None:
        super().restore(counters)
        before, now = counters["beyond"]
        self.rescore, self._collector.beyond = counters["rescore"], (before, now)

    def advance(self) -> Step:
        """Do one iteration; where an evaluation follows, look at its responses more closely."""
        done = self.iterate()
        metrics, samples = done.metrics, []
        audit = self.audit
        if audit and audit.critic_every and self.policy.value_head is not None:
            metrics |= self._audit(audit) if self.step % audit.critic_every == 0 or self.done else {}
        if self.is_evaluated:
            metrics |= position_metrics(done.rollouts)
            samples = [] if self.records is None else self.records(self, done)
        return Step(metrics, samples, done.notes, done.cost, aside=metrics.get(AUDIT_SECONDS, 0.0))

    def _audit(self, audit: AuditConfig) -> dict[str, float]:
        """What Monte-Carlo values say of the critic as it is now."""
        started = time.perf_counter()
        with self.parked.fetched() as reference:
            states = critic_states(
                self.policy,
                reference,
                self.asking,
                audit,
                step=self.step,
                tokens_per_micro_batch=self.tokens_per_micro_batch,
            )
        return critic_metrics(states) | {AUDIT_SECONDS: time.perf_counter() - started}

    def iterate(self) -> Iteration:
        """Do one iteration; raises as `methods.base.Stage.advance` does."""
        config, is_critic_warmup = self.config, self._is_critic_warmup
        if is_critic_warmup:
            config = replace(config, lam_value=1.0)
        is_dynamic = config.dynamic_sampling and not is_critic_warmup
        collected = self._collector.collect(self.policy, self.step, dynamic=is_dynamic)
        batch, notes = collected.kept, self._collector.says(collected)
        beyond = self._collector.beyond_with(collected)
        judged = time.perf_counter()
        with phase("scoring"):
            is_rescored = self.rescore is not False
            sampled, said = self._rescore(batch.prompts, batch.sampled)
            notes += said
            with self.parked.fetched() as reference:
                ref_logprobs, _ = score_all(reference, batch.prompts, sampled.lists(), **self._budget)
        rollouts = assemble(replace(batch, sampled=sampled), ref_logprobs, config)
        everything = collected.everything
        metrics = sampled_metrics(everything, config) | rollout_metrics(rollouts, config)
        if config.dynamic_sampling:
            metrics |= collected.metrics(config.samples_per_problem)
        if config.importance == "token":
            rollouts, more = correct_sampler(rollouts, batch.sampled.logprobs, config.importance_cap)
            metrics |= more
        scoring = time.perf_counter()

        order = [permutation(len(rollouts), self.seed, "ppo order", self.step, epoch) for epoch in range(config.epochs)]
        with phase("updating"), _large_rewards_are_blamed(rollouts):
            metrics |= update(
                self.policy,
                rollouts,
                self.optimizer,
                config,
                order=order,
                critic_only=is_critic_warmup,
                closely=self._is_evaluated(self.step + 1, *beyond),
                **self._budget,
            )
        if self.step + 1 == config.critic_warmup:
            notes.append(_says_warmed_up(config.critic_warmup, metrics["ppo/explained_variance"]))
        if not self.rescore and metrics.get("ppo/first_ratio_error", 0.0) > RATIO_TOLERANCE:
            self.rescore = True
            notes.append(_says_rescoring(metrics["ppo/first_ratio_error"]))
        updating = time.perf_counter()

        tokens = int(rollouts.mask.sum())
        metrics |= {
            "time/rollout_seconds": everything.sampling,
            "time/judge_seconds": everything.judging,
            "time/score_seconds": scoring - judged,
            "time/update_seconds": updating - scoring,
            "time/rollout_tokens_per_second": everything.tokens / everything.sampling,
            "time/update_tokens_per_second": tokens * config.epochs / (updating - scoring),
        }
        cost = self._cost(collected, is_rescored=is_rescored)
        self.step, self._collector.beyond = self.step + 1, beyond
        return Iteration(batch.questions, rollouts, metrics, notes, cost)

    def ratios(self, rollouts: Rollouts, count: int) -> Tensor:
        """pi / pi_old of the tokens of the first `count` rollouts, for the policy as it is now.

        Costs one forward pass over them, and changes nothing.

        Returns:
            (count, T) in double precision, as wide as the longest of them; 1 beyond a response's end.
        """
        prompts, responses = rollouts.prompts[:count], rollouts.responses[:count]
        with phase("scoring"):
            logprobs, _ = score_all(self.policy, prompts, responses, **self._budget)
        return (logprobs.double() - rollouts.logprobs[:count, : logprobs.shape[1]].double()).exp()

    def _cost(self, collected: Collected, *, is_rescored: bool) -> Cost:
        policy, reference, passes = self._flops, Flops.of(self.reference), self.config.epochs
        kept = collected.kept.lengths
        flops = policy.sampling(collected.everything.lengths) + reference.scoring(kept)
        if self._is_critic_warmup:
            flops += passes * policy.training_values(kept)
        else:
            flops += passes * policy.training(kept)
            if self.config.clip_grads == "apart" and self.policy.value_trains_policy:
                flops += passes * 2 * policy.values(kept)  # the value loss goes back by itself
        return Cost(
            questions=collected.asked,
            sampled_tokens=collected.everything.tokens,
            trained_tokens=passes * collected.kept.tokens,
            optimizer_steps=passes * math.ceil(len(collected.kept) / self.config.mini_batch),
            flops=flops + (policy.scoring(kept) if is_rescored else 0.0),
        )

    @property
    def _is_critic_warmup(self) -> bool:
        """Whether the next iteration trains the value model alone."""
        return self.step < self.config.critic_warmup

    def _is_done(self, step: int, beyond: int) -> bool:
        if self.config.dynamic_sampling and self.config.iterations is None:
            walked = (step - self.config.critic_warmup) * self._collector.wanted + beyond
            return walked >= self.config.data_epochs * len(self.asking.prompts)
        return super()._is_done(step, beyond)

    def _is_evaluated(self, step: int, before: int, beyond: int) -> bool:
        if step <= self.config.critic_warmup:
            return step == self.config.critic_warmup  # the policy does not change before
        return super()._is_evaluated(step, before, beyond)

    def _rescore(self, prompts: list[list[int]], sampled: Responses) -> tuple[Responses, list[str]]:
        """The rollouts with log-probabilities and values that the update agrees with."""
        if self.rescore is False:
            return sampled, []
        logprobs, values = score_all(self.policy, prompts, sampled.lists(), **self._budget)
        anew = replace(sampled, logprobs=logprobs, values=values)
        if self.rescore:
            return anew, []
        apart = float(((logprobs - sampled.logprobs).exp() - 1).abs().max())
        self.rescore = apart > RATIO_TOLERANCE
        return (anew, [_says_rescoring(apart)]) if self.rescore else (sampled, [])


@contextmanager
def _large_rewards_are_blamed(rollouts: Rollouts) -> Iterator[None]:
    """Inside, a gradient that is not finite is put down to rewards beyond LARGE, where there are some."""
    try:
        yield
    except FloatingPointError as error:
        largest = float(rollouts.scores.abs().max())
        if largest <= LARGE:
            raise
        what = str(error).partition(";")[0]
        raise FloatingPointError(f"{what}; a reward was {largest:.3g}: give rewards of the order of 1") from error


def _says_warmed_up(iterations: int, explained: float) -> str:
    return (
        f"critic warm-up: after {counted(iterations, 'iteration')} the value model explains {explained:.2f} of the "
        "variance of returns; from now on the policy is trained, too."
    )


def _says_rescoring(apart: float) -> str:
    return (
        f"log-probabilities kept from sampling are off (a ratio differs from 1 by {apart:.1g}); from now on they are "
        "computed anew before each update, which costs one forward pass."
    )
