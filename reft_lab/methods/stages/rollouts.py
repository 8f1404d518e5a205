"""One batch of experience: what the policy wrote, what it earned, and what follows for every token."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from reft_lab.answers.outcome import KINDS, Outcome
from reft_lab.equations.credit import (
    CREDITS,
    Experience,
    kl_estimate,
    length_adaptive_lambda,
    rewards,
    value_targets,
    whiten,
)
from reft_lab.equations.losses import importance_weights
from reft_lab.equations.positions import position_means
from reft_lab.methods.settings import PPOConfig
from reft_lab.methods.stages.asking import Batch
from reft_lab.policy.sampling import Responses


@dataclass(frozen=True)
class Rollouts:
    """Rollouts with everything that stays fixed while PPO passes over them. Shapes (B,) and (B, T).

    Attributes:
        prompts: ids of the prompts.
        responses: ids of the responses, without padding.
        finished: False for responses cut at the length cap (B,).
        outcomes: how each response was judged.
        scores: terminal rewards, as the reward function gave them (B,).
        mask: tokens that count (B, T).
        logprobs: under the policy that sampled (B, T).
        ref_logprobs: under the reference (B, T).
        entropies: of the distributions sampled from, in nats (B, T).
        values: V(s_t) at rollout time (B, T); None without a critic.
        kl: per-token KL estimates to the reference (B, T).
        advantages: what the policy loss uses, whitened if so configured (B, T).
        returns: what the value loss aims at (B, T); None without a critic.
        importance: weight of each token in the policy loss (B, T); None: all the same.
    """

    prompts: list[list[int]]
    responses: list[list[int]]
    finished: Tensor
    outcomes: list[Outcome]
    scores: Tensor
    mask: Tensor
    logprobs: Tensor
    ref_logprobs: Tensor
    entropies: Tensor
    values: Tensor | None
    kl: Tensor
    advantages: Tensor
    returns: Tensor | None
    importance: Tensor | None = None

    def __len__(self) -> int:
        return len(self.responses)


def assemble(batch: Batch, ref_logprobs: Tensor, config: PPOConfig) -> Rollouts:
    """Rewards, advantages and returns of a batch of judged responses (paper, section 3.2).

    Args:
        batch: `config.samples_per_problem` responses to each question; with values where `config.credit` needs a
            critic.
        ref_logprobs: log-probabilities under the reference (B, T).
        config: credit, gamma, lam, lam_value, lam_length, kl_coef, kl_in, kl_estimator, whiten.

    Raises:
        FloatingPointError: a log-probability or value is not finite, so nothing that follows would be.
    """
    sampled = batch.sampled
    _check_finite(sampled, ref_logprobs)
    score = torch.tensor(batch.scores, dtype=torch.float32)
    mask = sampled.mask
    kl = kl_estimate(sampled.logprobs, ref_logprobs, config.kl_estimator) * mask
    total = rewards(score + batch.penalties, kl, mask, config.kl_coef if config.kl_in == "reward" else 0.0)
    lam = config.lam if config.lam_length is None else length_adaptive_lambda(mask.sum(1), config.lam_length)
    # Null stands for the option `lam`, whatever the length says of the advantages.
    lam_value = config.lam if config.lam_value is None else config.lam_value
    experience = Experience(
        total, mask, sampled.values, config.samples_per_problem, config.gamma, lam, lam_value=lam_value
    )
    advantages = CREDITS[config.credit].advantages(experience)
    return Rollouts(
        prompts=batch.prompts,
        responses=sampled.lists(),
        finished=sampled.finished,
        outcomes=batch.outcomes,
        scores=score,
        mask=mask,
        logprobs=sampled.logprobs,
        ref_logprobs=ref_logprobs,
        entropies=sampled.entropies,
        values=sampled.values,
        kl=kl,
        advantages=whiten(advantages, mask) if config.whiten else advantages,
        returns=None if sampled.values is None else value_targets(experience),
    )


def _check_finite(sampled: Responses, ref_logprobs: Tensor) -> None:
    computed = {
        "log-probabilities": sampled.logprobs,
        "values": sampled.values,
        "log-probabilities of the reference": ref_logprobs,
    }
    for name, tensor in computed.items():
        if tensor is not None and not tensor[sampled.mask].isfinite().all():
            raise FloatingPointError(f"the {name} of sampled responses are not finite; lower the learning rate")


def sampled_metrics(batch: Batch, config: PPOConfig) -> dict[str, float]:
    """What was sampled and how it was judged, in numbers; docs/metrics.md says what each means."""
    n = len(batch)
    kinds = [outcome.kind for outcome in batch.outcomes]
    answers = Counter(outcome.answer for outcome in batch.outcomes if outcome.answer is not None)
    metrics = {
        "rollout/reward": torch.tensor(batch.scores, dtype=torch.float32).mean().item(),
        "rollout/accuracy": kinds.count("correct") / n,
        "rollout/length": batch.sampled.mask.sum(1).float().mean().item(),
        "rollout/truncated_share": 1 - batch.sampled.finished.float().mean().item(),
        "rollout/unique_answers": len(answers) / n,
        "rollout/top_answer_share": max(answers.values(), default=0) / n,
    }
    if config.overlong_cache is not None:
        metrics["rollout/overlong_penalty"] = batch.penalties.mean().item()
    return metrics | {f"rollout/outcome/{kind}": kinds.count(kind) / n for kind in KINDS}


def rollout_metrics(rollouts: Rollouts, config: PPOConfig) -> dict[str, float]:
    """What is learned from, before the update, in numbers; docs/metrics.md says what each means."""
    n = len(rollouts)
    lengths = rollouts.mask.sum(1).float()
    k1 = ((rollouts.logprobs - rollouts.ref_logprobs) * rollouts.mask).sum(1)
    metrics = {
        "ppo/kl_ref": k1.mean().item(),
        "ppo/kl_ref_token": (k1.sum() / lengths.sum()).item(),
        "ppo/entropy": rollouts.entropies[rollouts.mask].mean().item(),
        "ppo/entropy_response": (rollouts.entropies * rollouts.mask).sum().item() / n,
    }
    if config.lam_length is not None:
        metrics["ppo/lambda"] = length_adaptive_lambda(lengths, config.lam_length).mean().item()
    if rollouts.values is not None and rollouts.returns is not None:
        unexplained = (rollouts.returns - rollouts.values)[rollouts.mask].var().item()
        spread = rollouts.returns[rollouts.mask].var().item()
        metrics["rollout/value"] = rollouts.values[rollouts.mask].mean().item()
        metrics["ppo/explained_variance"] = 1 - unexplained / spread if spread > 0 else 0.0
    return metrics


def correct_sampler(rollouts: Rollouts, sampled_logprobs: Tensor, cap: float) -> tuple[Rollouts, dict[str, float]]:
    """The rollouts with importance weights, and what is to be said of these.

    Args:
        rollouts: with log-probabilities as the update computes them.
        sampled_logprobs: those of the sampler (B, T).
        cap: the largest weight.
    """
    weights = importance_weights(rollouts.logprobs, sampled_logprobs, cap)
    counted = weights[rollouts.mask]
    metrics = {
        "ppo/importance_mean": counted.mean().item(),
        "ppo/importance_capped": (counted == counted.new_tensor(cap)).float().mean().item(),
    }
    return replace(rollouts, importance=weights), metrics


def position_metrics(rollouts: Rollouts) -> dict[str, float]:
    """position/kl/D and position/value/D of docs/metrics.md: KL (k1) and value by tenths of the response, 01 to 10."""
    k1 = rollouts.logprobs - rollouts.ref_logprobs
    return {
        f"position/{name}/{part:02d}": mean
        for name, x in (("kl", k1), ("value", rollouts.values))
        if x is not None
        for part, mean in enumerate(position_means(x, rollouts.mask), start=1)
        if mean is not None
    }
