"""The losses (paper, sections 3.1 and 3.2) on flattened response tokens.

Each function returns one number per token; `token_weights` says how tokens are averaged. A mini-batch that is computed
in several micro-batches uses the weights of the whole mini-batch and sums, so accumulation changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def token_weights(lengths: Sequence[int], average: str, constant: int = 1) -> list[float]:
    """The weight of a token in each response, which depends on the whole mini-batch.

    Args:
        lengths: tokens in each response of the whole mini-batch.
        average: `sequence` averages within a response first, then over responses (released code: a token of a short
            response weighs more); `token` weighs all tokens the same (DAPO, 2503.14476); with both, the weights of
            all tokens sum to 1. `constant` divides the sum of a response by the same length, whatever its own, then
            averages over responses (Dr. GRPO, 2503.20783).
        constant: that length in tokens, for `constant`.

    Returns:
        One weight per response, that of each of its tokens.
    """
    if average == "sequence":
        return [1.0 / (len(lengths) * length) for length in lengths]
    if average == "token":
        return [1.0 / sum(lengths)] * len(lengths)
    if average == "constant":
        return [1.0 / (len(lengths) * constant)] * len(lengths)
    raise ValueError(f"unknown average {average!r}")


def group_weights(lengths: Sequence[int], size: int) -> list[float]:
    """The weight of a token in each completion where the mean is taken in groups first, then over groups.

    Args:
        lengths: tokens in each completion of the whole batch.
        size: completions in a group, one after the other; the last group may be smaller.

    Returns:
        One weight per completion, that of each of its tokens; all weights of the batch sum to 1.
    """
    groups = [lengths[i : i + size] for i in range(0, len(lengths), size)]
    return [1.0 / (len(groups) * sum(group)) for group in groups for _ in group]


def sft_loss(logprobs: Tensor) -> Tensor:
    """L_SFT = -log pi(a_t | s_t) per token of the chain of thought and its end-of-sequence token."""
    return -logprobs


def policy_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    clip: float,
    clip_high: float | None = None,
    dual_clip: float | None = None,
) -> Tensor:
    """-min(ratio A, clip(ratio, 1 - eps, 1 + eps_high) A) per token, ratio = pi / pi_old.

    Where A < 0 the ratio has no upper bound there; with a dual clip the loss is at most -c A (1912.09729).

    Args:
        logprobs: under the policy being updated.
        old_logprobs: under the policy that sampled.
        advantages: (whitened) advantages.
        clip: eps.
        clip_high: eps_high (clip-higher, 2503.14476); None: as eps.
        dual_clip: c; None: no bound.
    """
    ratio = torch.exp(logprobs - old_logprobs)
    bounded = ratio.clamp(1 - clip, 1 + (clip if clip_high is None else clip_high))
    loss = -torch.minimum(ratio * advantages, bounded * advantages)
    return loss if dual_clip is None else torch.minimum(loss, dual_clip * advantages.abs())


def importance_weights(logprobs: Tensor, sampled_logprobs: Tensor, cap: float) -> Tensor:
    """min(pi_train / pi_sample, C) per token: truncated importance weights, which correct what is averaged over tokens
    of a sampler that does not quite compute the policy that is trained.

    Args:
        logprobs: under the policy, as the update computes it.
        sampled_logprobs: under the same weights, as the sampler computed it.
        cap: C.
    """
    return (logprobs - sampled_logprobs).exp().clamp_max(cap)


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, clip: float | None) -> Tensor:
    """1/2 max((V - R)^2, (clip(V, V_old - eps, V_old + eps) - R)^2) per token.

    Args:
        values: under the value model being updated.
        old_values: at rollout time.
        returns: targets R.
        clip: eps; None leaves out the clipped term.
    """
    error = (values - returns) ** 2
    if clip is not None:
        clipped = torch.clamp(values, old_values - clip, old_values + clip)
        error = torch.maximum(error, (clipped - returns) ** 2)
    return 0.5 * error
