"""The PPO update over one batch of rollouts (paper, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from reft_lab.equations.losses import policy_loss, token_weights, value_loss
from reft_lab.methods.settings import PPOConfig
from reft_lab.methods.stages.optimizer import Optimizer
from reft_lab.methods.stages.rollouts import Rollouts
from reft_lab.policy.model import Policy
from reft_lab.policy.packing import Packed, Sequences, micro_batches
from reft_lab.policy.scoring import score_packed


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
        config: clip, value_clip, value_coef, mini_batch, loss_average; `epochs` is the length of `order`.
        order: one permutation of range(len(rollouts)) for each pass.
        tokens_per_micro_batch: token budget of one forward and backward pass.

    Returns:
        The ppo/... metrics of docs/metrics.md. first_ratio_error is the largest |ratio - 1| before the first step: how
        far the log-probabilities kept from sampling are from those of the update's own forward pass.
    """
    policy.eval()
    sequences = Sequences(rollouts.prompts, rollouts.responses, pad_id)
    rollouts = replace(
        rollouts,
        logprobs=rollouts.logprobs.to(policy.device),
        advantages=rollouts.advantages.to(policy.device),
        values=None if rollouts.values is None else rollouts.values.to(policy.device),
        returns=None if rollouts.returns is None else rollouts.returns.to(policy.device),
    )
    tally = _Tally(has_critic=rollouts.values is not None)
    for permutation in order:
        for start in range(0, len(permutation), config.mini_batch):
            chosen = permutation[start : start + config.mini_batch]
            weights = torch.zeros(len(rollouts))
            weights[chosen] = torch.tensor(token_weights(sequences.responses[chosen].tolist(), config.loss_average))
            weights = weights.to(policy.device)  # of a token in each response
            for group in micro_batches(sequences.lengths[chosen].tolist(), tokens_per_micro_batch):
                batch = sequences.packed([chosen[i] for i in group], policy.device)
                tally.passes.append(_accumulate(policy, batch, rollouts, weights, config))
            tally.step(*optimizer.step())
    return tally.metrics()


@dataclass(frozen=True)
class _Pass:
    """What one micro-batch adds to the metrics, kept on its device so that nothing waits for it."""

    tokens: int
    sums: Tensor
    ratio_max: Tensor
    ratio_error: Tensor


def _accumulate(policy: Policy, batch: Packed, rollouts: Rollouts, weights: Tensor, config: PPOConfig) -> _Pass:
    """Add the gradients of one micro-batch; a token of a response weighs `weights` (B,) in the whole mini-batch."""
    where = batch.index, batch.step
    old_logprobs, token_weight = rollouts.logprobs[where], weights[batch.index]
    scores = score_packed(policy, batch)
    pg = (token_weight * policy_loss(scores.logprobs, old_logprobs, rollouts.advantages[where], config.clip)).sum()
    loss, vf = pg, torch.zeros_like(pg)
    if scores.values is not None and rollouts.values is not None and rollouts.returns is not None:
        off_target = value_loss(scores.values, rollouts.values[where], rollouts.returns[where], config.value_clip)
        vf = (token_weight * off_target).sum()
        loss = pg + config.value_coef * vf
    loss.backward()

    with torch.no_grad():
        log_ratio = scores.logprobs - old_logprobs
        ratio = log_ratio.exp()
        off = (ratio - 1).abs()
        sums = torch.stack([pg, vf, (ratio - 1 - log_ratio).sum(), (off > config.clip).sum(), ratio.sum()])
        return _Pass(len(ratio), sums, ratio.max(), off.max())


class _Tally:
    """What the optimiser steps of one update came to; token means weigh all tokens of all passes the same."""

    def __init__(self, *, has_critic: bool) -> None:
        self.has_critic = has_critic
        self.passes: list[_Pass] = []
        self.first: list[_Pass] = []
        self.norms: list[float] = []
        self.lr = 0.0

    def step(self, norm: float, lr: float) -> None:
        """An optimiser step was done, with this gradient norm and learning rate."""
        self.first = self.first or list(self.passes)
        self.norms.append(norm)
        self.lr = lr

    def metrics(self) -> dict[str, float]:
        """The metrics of the update; the one place that waits for the device."""
        tokens, steps = sum(one.tokens for one in self.passes), len(self.norms)
        pg, vf, kl_old, clipped, ratio = torch.stack([one.sums for one in self.passes]).cpu().double().sum(0).tolist()
        return {
            "ppo/policy_loss": pg / steps,
            **({"ppo/value_loss": vf / steps} if self.has_critic else {}),
            "ppo/grad_norm": sum(self.norms) / steps,
            "ppo/lr": self.lr,
            "ppo/kl_old": kl_old / tokens,
            "ppo/clip_share": clipped / tokens,
            "ppo/ratio_mean": ratio / tokens,
            "ppo/ratio_max": torch.stack([one.ratio_max for one in self.passes]).max().item(),
            "ppo/first_ratio_error": torch.stack([one.ratio_error for one in self.first]).max().item(),
        }
