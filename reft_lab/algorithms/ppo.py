"""The PPO update over one batch of rollouts (paper, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from reft_lab.algorithms.losses import policy_loss, token_weights, value_loss
from reft_lab.algorithms.optimizer import Optimizer
from reft_lab.algorithms.rollouts import Rollouts
from reft_lab.config.training import PPOConfig
from reft_lab.policy.model import Policy
from reft_lab.policy.scoring import micro_batches, score


@dataclass
class _Tally:
    """Sums over the optimiser steps of one update; token means weigh all tokens of all passes the same."""

    policy_loss: float = 0.0
    value_loss: float = 0.0
    grad_norm: float = 0.0
    lr: float = 0.0
    steps: int = 0
    tokens: int = 0
    kl_old: float = 0.0
    clipped: float = 0.0
    ratio: float = 0.0
    ratio_max: float = 0.0
    first_ratio_error: float = 0.0

    def metrics(self) -> dict[str, float]:
        return {
            "ppo/policy_loss": self.policy_loss / self.steps,
            "ppo/value_loss": self.value_loss / self.steps,
            "ppo/grad_norm": self.grad_norm / self.steps,
            "ppo/lr": self.lr,
            "ppo/kl_old": self.kl_old / self.tokens,
            "ppo/clip_share": self.clipped / self.tokens,
            "ppo/ratio_mean": self.ratio / self.tokens,
            "ppo/ratio_max": self.ratio_max,
            "ppo/first_ratio_error": self.first_ratio_error,
        }


def update(
    policy: Policy,
    rollouts: Rollouts,
    optimizer: Optimizer,
    config: PPOConfig,
    *,
    order: list[list[int]],
    pad_id: int,
    tokens_per_micro_batch: int,
) -> dict[str, float]:
    """U passes over the rollouts in mini-batches, one optimiser step each. Dropout is off.

    Args:
        policy: updated in place.
        rollouts: the batch.
        optimizer: over the policy's parameters.
        config: clip, value_clip, value_coef, mini_batch, loss_average; `epochs` is the length of `order`.
        order: one permutation of range(len(rollouts)) for each pass.
        pad_id: token that fills up rows.
        tokens_per_micro_batch: token budget of one forward and backward pass.

    Returns:
        The ppo/... metrics of docs/metrics.md. first_ratio_error is the largest |ratio - 1| before the first step: how
        far the log-probabilities kept from sampling are from those of the update's own forward pass.
    """
    policy.eval()
    tally = _Tally()
    for permutation in order:
        for start in range(0, len(permutation), config.mini_batch):
            chosen = permutation[start : start + config.mini_batch]
            _accumulate(policy, rollouts, chosen, config, pad_id, tokens_per_micro_batch, tally)
            norm, tally.lr = optimizer.step()
            tally.grad_norm += norm
            tally.steps += 1
    return tally.metrics()


def _accumulate(
    policy: Policy,
    rollouts: Rollouts,
    chosen: list[int],
    config: PPOConfig,
    pad_id: int,
    tokens_per_micro_batch: int,
    tally: _Tally,
) -> None:
    """Gradients of one mini-batch, in micro-batches that sum to the whole."""
    device = policy.device
    sizes = [len(rollouts.responses[i]) for i in chosen]
    weight_of = dict(zip(chosen, token_weights(sizes, config.loss_average), strict=True))
    lengths = [len(rollouts.prompts[i]) + len(rollouts.responses[i]) - 1 for i in chosen]
    for group in micro_batches(lengths, tokens_per_micro_batch):
        rows = [chosen[i] for i in group]
        mask = rollouts.mask[rows]
        old_logprobs, old_values, advantages, targets = (
            x[rows][mask].to(device)
            for x in (rollouts.logprobs, rollouts.values, rollouts.advantages, rollouts.returns)
        )
        weights = torch.tensor([weight_of[i] for i in rows for _ in rollouts.responses[i]], device=device)

        scores = score(policy, [rollouts.prompts[i] for i in rows], [rollouts.responses[i] for i in rows], pad_id)
        pg = (weights * policy_loss(scores.logprobs, old_logprobs, advantages, config.clip)).sum()
        vf = (weights * value_loss(scores.values, old_values, targets, config.value_clip)).sum()
        (pg + config.value_coef * vf).backward()

        with torch.no_grad():
            log_ratio = scores.logprobs - old_logprobs
            ratio = log_ratio.exp()
            off = (ratio - 1).abs()
            tally.policy_loss += pg.item()
            tally.value_loss += vf.item()
            tally.tokens += len(ratio)
            tally.kl_old += (ratio - 1 - log_ratio).sum().item()
            tally.clipped += (off > config.clip).sum().item()
            tally.ratio += ratio.sum().item()
            tally.ratio_max = max(tally.ratio_max, ratio.max().item())
            if tally.steps == 0:
                tally.first_ratio_error = max(tally.first_ratio_error, off.max().item())
