"""L_RL = L_policy + alpha L_value (paper, section 3.2) of one micro-batch, as its share of a whole mini-batch's."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reft_lab.equations.credit import kl_estimate
from reft_lab.equations.losses import policy_loss, value_loss
from reft_lab.methods.settings import PPOConfig
from reft_lab.methods.stages.rollouts import Rollouts
from reft_lab.policy.model import Policy
from reft_lab.policy.packing import Packed
from reft_lab.policy.scoring import score_packed


@dataclass(frozen=True)
class Facts:
    """What a micro-batch says of the update, by the names of metrics, kept on its device so that nothing waits for it.

    Attributes:
        tokens: how many tokens it has.
        terms: what adds up to the mini-batch's.
        sums: sums over the tokens.
        largest: the largest over the tokens.
    """

    tokens: int
    terms: dict[str, Tensor]
    sums: dict[str, Tensor]
    largest: dict[str, Tensor]


@dataclass(frozen=True)
class Loss:
    """The two losses of a micro-batch.

    Attributes:
        policy: the policy loss, with the KL penalty and the entropy bonus where they are part of it; None where the
            value model alone is trained.
        value: alpha times the value loss; None without a critic.
        facts: for the metrics.
    """

    policy: Tensor | None
    value: Tensor | None
    facts: Facts

    @property
    def whole(self) -> Tensor:
        """What is minimised."""
        if self.policy is None or self.value is None:
            loss = self.value if self.policy is None else self.policy
            assert loss is not None
            return loss
        return self.policy + self.value

    def for_nothing(self) -> Loss:
        """The same with gradients of zero."""
        policy, value = (None if loss is None else 0 * loss for loss in (self.policy, self.value))
        return Loss(policy, value, self.facts)


def loss(policy: Policy, batch: Packed, rollouts: Rollouts, weights: Tensor, config: PPOConfig) -> Loss:
    """Both losses of a micro-batch, with gradients.

    Args:
        rollouts: on the policy's device.
        weights: of a token of each response (B,) in the whole mini-batch.
        config: clip, clip_high, dual_clip, kl_in, kl_coef, kl_estimator, entropy_coef, value_clip, value_coef.
    """
    where = batch.index, batch.step
    old_logprobs, token_weight = rollouts.logprobs[where], weights[batch.index]
    advantages = rollouts.advantages[where]
    scores = score_packed(policy, batch, entropies=config.entropy_coef > 0)

    of_tokens = policy_loss(scores.logprobs, old_logprobs, advantages, config.clip, config.clip_high, config.dual_clip)
    if rollouts.importance is not None:
        of_tokens = rollouts.importance[where] * of_tokens
    pg = whole = (token_weight * of_tokens).sum()
    terms = {"ppo/policy_loss": pg.detach()}
    if config.kl_in == "loss" and config.kl_coef > 0:
        kl = kl_estimate(scores.logprobs, rollouts.ref_logprobs[where], config.kl_estimator)
        penalty = (token_weight * kl).sum()
        terms["ppo/kl_loss"], whole = penalty.detach(), whole + config.kl_coef * penalty
    if scores.entropies is not None:
        bonus = (token_weight * scores.entropies).sum()
        terms["ppo/entropy_bonus"], whole = bonus.detach(), whole - config.entropy_coef * bonus
    value = None
    if scores.values is not None and rollouts.values is not None and rollouts.returns is not None:
        vf = _value_loss(scores.values, batch, rollouts, token_weight, config)
        terms["ppo/value_loss"], value = vf.detach(), config.value_coef * vf
    with torch.no_grad():
        sums, largest = _movement(scores.logprobs - old_logprobs, advantages, config)
    return Loss(whole, value, Facts(len(old_logprobs), terms, sums, largest))


def loss_of_critic(policy: Policy, batch: Packed, rollouts: Rollouts, weights: Tensor, config: PPOConfig) -> Loss:
    """The value loss alone, with gradients in nothing that the policy uses; arguments as of `loss`."""
    _, values, _ = policy(batch, critic_only=True)
    vf = _value_loss(values, batch, rollouts, weights[batch.index], config)
    return Loss(None, config.value_coef * vf, Facts(len(values), {"ppo/value_loss": vf.detach()}, {}, {}))


def _value_loss(values: Tensor, batch: Packed, rollouts: Rollouts, token_weight: Tensor, config: PPOConfig) -> Tensor:
    where = batch.index, batch.step
    assert rollouts.values is not None
    assert rollouts.returns is not None
    return (token_weight * value_loss(values, rollouts.values[where], rollouts.returns[where], config.value_clip)).sum()


def _movement(log_ratio: Tensor, advantages: Tensor, config: PPOConfig) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """How far the policy has moved from the one that sampled: sums over tokens, and what is largest among them."""
    ratio = log_ratio.exp()
    off = ratio - 1
    below, above = -off > config.clip, off > (config.clip if config.clip_high is None else config.clip_high)
    sums = {
        "ppo/kl_old": (ratio - 1 - log_ratio).sum(),
        "ppo/clip_share": (below | above).sum(),
        "ppo/ratio_mean": ratio.sum(),
    }
    if config.clip_high is not None:
        sums |= {"ppo/clip_share_low": below.sum(), "ppo/clip_share_high": above.sum()}
    if config.dual_clip is not None:
        sums["ppo/dual_clip_share"] = ((ratio > config.dual_clip) & (advantages < 0)).sum()
    return sums, {"ppo/ratio_max": ratio.max(), "ppo/first_ratio_error": off.abs().max()}
