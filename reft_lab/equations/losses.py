"""The losses (paper, sections 3.1 and 3.2) on flattened response tokens.

Each function returns one number per token; `token_weights` says how tokens are averaged. A mini-batch that is computed
in several micro-batches uses the weights of the whole mini-batch and sums, so accumulation changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def token_weights(lengths: Sequence[int], average: str) -> list[float]:
    """The weight of a token in each response, such that all weights of the mini-batch sum to 1.

    Args:
        lengths: tokens in each response of the whole mini-batch.
        average: `sequence` averages within a response first, then over responses (released code: a token of a short
            response weighs more); `token` weighs all tokens the same.

    Returns:
        One weight per response, that of each of its tokens.
    """
    if average == "sequence":
        return [1.0 / (len(lengths) * length) for length in lengths]
    if average == "token":
        return [1.0 / sum(lengths)] * len(lengths)
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


def policy_loss(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """-min(ratio A, clip(ratio, 1 - eps, 1 + eps) A) per token, ratio = pi / pi_old.

    Args:
        logprobs: under the policy being updated.
        old_logprobs: under the policy that sampled.
        advantages: (whitened) advantages.
        clip: eps.
    """
    ratio = torch.exp(logprobs - old_logprobs)
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


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
