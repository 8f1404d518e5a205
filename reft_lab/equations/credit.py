"""From scores of whole responses to an advantage and a return for every token (paper, section 3.2).

All functions take and return tensors of shape (B, T): one row a response, one column a token position, `mask` True (or
1) where a token counts. Positions that count are contiguous in a row; they may start anywhere, so the functions work on
response-aligned batches (column 0 predicts the first response token) and on prompt-aligned ones alike.
"""

from __future__ import annotations

import torch
from torch import Tensor


def kl_estimate(logprobs: Tensor, ref_logprobs: Tensor, estimator: str = "k1") -> Tensor:
    """Per-token estimate of KL(pi || pi_0) from the log-probabilities of sampled tokens.

    k1 = log pi - log pi_0 (the paper's code; unbiased, may be negative), k2 = (log pi - log pi_0)^2 / 2 (biased, low
    variance), k3 = r - 1 - log r with r = pi_0 / pi (unbiased, never negative).

    Args:
        logprobs: log-probabilities under the policy that sampled, any shape.
        ref_logprobs: the same under the reference.
        estimator: k1, k2 or k3.
    """
    log_ratio = logprobs - ref_logprobs
    if estimator == "k1":
        return log_ratio
    if estimator == "k2":
        return 0.5 * log_ratio**2
    if estimator == "k3":
        return torch.expm1(-log_ratio) + log_ratio
    raise ValueError(f"unknown KL estimator {estimator!r}")


def rewards(scores: Tensor, kl: Tensor, mask: Tensor, kl_coef: float) -> Tensor:
    """Total reward r_total(s_t, a_t) = r(s_t, a_t) - beta KL(pi(.|s_t), pi_0(.|s_t)).

    The score of a response is earned with its last token: the end-of-sequence token, or the last one before the cap.

    Args:
        scores: terminal rewards (B,).
        kl: per-token KL estimates (B, T).
        mask: positions that count (B, T).
        kl_coef: beta.
    """
    counts = mask.to(kl.dtype)
    after = counts.flip(1).cumsum(1).flip(1)  # positions that count, from here on
    last = counts * (after == 1)
    return -kl_coef * kl * counts + scores[:, None].to(kl.dtype) * last


def td_errors(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float) -> Tensor:
    """TD errors delta_t = r_total(s_t, a_t) + gamma V(s_{t+1}) - V(s_t), with V = 0 after the last token.

    A response cut at the length cap is not bootstrapped either (released code).
    """
    counts = mask.to(values.dtype)
    masked = values * counts
    following = torch.cat([masked[:, 1:], torch.zeros_like(masked[:, :1])], dim=1)
    return (rewards + gamma * following - values) * counts


def gae(deltas: Tensor, mask: Tensor, gamma: float, lam: float) -> Tensor:
    """Generalised advantage estimates A_t = sum_l (gamma lambda)^l delta_{t+l}.

    `gamma` discounts V(s_{t+1}) and `lam` is GAE's lambda; see docs/paper.md for the paper's use of the two names.
    """
    counts = mask.to(deltas.dtype)
    advantages = torch.zeros_like(deltas)
    running = torch.zeros_like(deltas[:, 0])
    for t in reversed(range(deltas.shape[1])):
        running = (deltas[:, t] + gamma * lam * running) * counts[:, t]
        advantages[:, t] = running
    return advantages


def returns(advantages: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Returns R_t = A_t + V(s_t), from advantages that are not whitened."""
    return (advantages + values) * mask.to(values.dtype)


def whiten(x: Tensor, mask: Tensor) -> Tensor:
    """(x - mean) / sqrt(var + 1e-8) over the positions that count, var with Bessel's correction; 0 elsewhere.

    A batch with a single position that counts has no variance and comes back centred.
    """
    counts = mask.to(x.dtype)
    n = counts.sum()
    mean = (x * counts).sum() / n.clamp_min(1)
    variance = (((x - mean) * counts) ** 2).sum() / (n - 1).clamp_min(1)
    return (x - mean) * torch.rsqrt(variance + 1e-8) * counts
