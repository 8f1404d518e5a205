"""From scores of whole responses to an advantage and a return for every token (paper, section 3.2).

All functions take and return tensors of shape (B, T): one row a response, one column a token position, `mask` True (or
1) where a token counts. Positions that count are contiguous in a row; they may start anywhere, so the functions work on
response-aligned batches (column 0 predicts the first response token) and on prompt-aligned ones alike.

CREDITS, at the end, names the ways to assign credit as `ppo.credit` chooses them. Configs list it, so this file does
not import torch: it calls what tensors bring along.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
        return (-log_ratio).expm1() + log_ratio
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
    following = masked.new_zeros(masked.shape)
    following[:, :-1] = masked[:, 1:]
    return (rewards + gamma * following - values) * counts


def gae(deltas: Tensor, mask: Tensor, gamma: float, lam: float | Tensor) -> Tensor:
    """Generalised advantage estimates A_t = sum_l (gamma lambda)^l delta_{t+l}.

    `gamma` discounts V(s_{t+1}) and `lam` is GAE's lambda, one for all responses or one for each (B,); see
    docs/paper.md for the paper's use of the two names.
    """
    counts = mask.to(deltas.dtype)
    advantages = deltas.new_zeros(deltas.shape)
    running = deltas.new_zeros(len(deltas))
    for t in reversed(range(deltas.shape[1])):
        running = (deltas[:, t] + gamma * lam * running) * counts[:, t]
        advantages[:, t] = running
    return advantages


def length_adaptive_lambda(lengths: Tensor, alpha: float) -> Tensor:
    """lambda = 1 - 1 / (alpha |o|), for the advantages of a response of |o| tokens (VAPO, 2504.05118).

    With it the weights lambda^l of the TD errors sum to about alpha |o|, however long a response is. Below 1 / alpha
    tokens the formula is negative; lambda is 0 there, so that the advantage is the TD error alone.

    Args:
        lengths: tokens of each response, at least 1 (B,).
        alpha: a number above 0.

    Returns:
        One lambda for each response, from 0 to 1 (B,).
    """
    return (1 - 1 / (alpha * lengths)).clamp(0, 1)


def overlong_penalty(lengths: Tensor, caps: Tensor, cache: float) -> Tensor:
    """What a long response loses of its reward: nothing up to (1 - cache) cap tokens, then linearly more, and 1 at the
    cap (soft overlong punishment of DAPO, 2503.14476, equation 13).

    Args:
        lengths: tokens of each response (B,).
        caps: the most that each may have, at least 1 (B,).
        cache: share of the cap before which the penalty begins, above 0.

    Returns:
        Numbers from -1 to 0, to be added to the terminal rewards (B,).
    """
    free = (1 - cache) * caps
    return ((free - lengths) / (cache * caps)).clamp(-1, 0)


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
    return (x - mean) * (variance + 1e-8).rsqrt() * counts


@dataclass(frozen=True)
class Experience:
    """What credit is assigned from: B judged responses of up to T tokens.

    Attributes:
        rewards: r_total of each token, 0 where none counts (B, T).
        mask: positions that count (B, T).
        values: V(s_t) (B, T); None without a critic.
        group: how many responses there are to each question; they stand one after the other.
        gamma: discount on V(s_{t+1}), for a critic.
        lam: GAE's lambda, for a critic; one for all responses or one for each (B,).
        lam_value: lambda of what the critic learns; None: that of the advantages.
    """

    rewards: Tensor
    mask: Tensor
    values: Tensor | None = None
    group: int = 1
    gamma: float = 1.0
    lam: float | Tensor = 1.0
    lam_value: float | None = None


def by_critic(batch: Experience) -> Tensor:
    """GAE on the values of a critic (the paper; 1506.02438), (B, T)."""
    assert batch.values is not None
    deltas = td_errors(batch.rewards, batch.values, batch.mask, batch.gamma)
    return gae(deltas, batch.mask, batch.gamma, batch.lam)


def value_targets(batch: Experience) -> Tensor:
    """What the critic learns: R_t = A_t + V(s_t), A_t with `lam_value` (B, T).

    The paper has one lambda for both. With lambda 1 here R_t is the discounted reward to come and does not lean on V,
    which a long response would otherwise pull towards what V began with (VC-PPO, 2503.01491).
    """
    assert batch.values is not None
    deltas = td_errors(batch.rewards, batch.values, batch.mask, batch.gamma)
    lam = batch.lam if batch.lam_value is None else batch.lam_value
    return returns(gae(deltas, batch.mask, batch.gamma, lam), batch.values, batch.mask)


def by_group(batch: Experience) -> Tensor:
    """(R_i - mean_g R) / (std_g R + 1e-4), the same for all tokens of a response (GRPO, 2402.03300), (B, T).

    The standard deviation has Bessel's correction. R_i is the response's whole reward, the KL penalty of its tokens
    in it; the source has its KL in the loss. In a group that is all right or all wrong the division makes a penalty,
    however small, as large as a right answer elsewhere.
    """
    totals = _totals(batch)
    centred = _centred(totals)
    return _on_tokens(centred / (totals.std(1, keepdim=True) + 1e-4), batch)


def by_group_centred(batch: Experience) -> Tensor:
    """R_i - mean_g R, the same for all tokens of a response (Dr. GRPO, 2503.20783), (B, T).

    R_i is the response's whole reward, the KL penalty of its tokens in it; the source has none.
    """
    return _on_tokens(_centred(_totals(batch)), batch)


def by_others(batch: Experience) -> Tensor:
    """R_i - mean_{j != i} R_j within the group, the same for all tokens of a response (RLOO, 2402.14740), (B, T).

    R_i is the response's whole reward, the KL penalty of its tokens in it, as in the source.
    """
    return _on_tokens(_centred(_totals(batch)) * batch.group / (batch.group - 1), batch)


def by_batch(batch: Experience) -> Tensor:
    """The reward from each token to the end of its response, whitened over all tokens of the batch (REINFORCE++,
    2501.03262), (B, T).

    With the KL penalty in the rewards, as in the source: R_i - beta sum_{l >= t} KL_l, then (x - mean) / std. No
    discount.
    """
    return whiten(batch.rewards.flip(1).cumsum(1).flip(1), batch.mask)


def _totals(batch: Experience) -> Tensor:
    """The whole reward of each response, a row for each group (B / group, group)."""
    return batch.rewards.sum(1).view(-1, batch.group)


def _centred(totals: Tensor) -> Tensor:
    """Less the mean of the row; exactly 0 where all are the same, since distances to the first are averaged."""
    distances = totals - totals[:, :1]
    return distances - distances.mean(1, keepdim=True)


def _on_tokens(advantages: Tensor, batch: Experience) -> Tensor:
    """One number a response, in the shape of `_totals`, on each of its tokens (B, T)."""
    return advantages.reshape(-1, 1) * batch.mask.to(advantages.dtype)


@dataclass(frozen=True)
class Credit:
    """A way to assign credit.

    Attributes:
        advantages: of each token (B, T), not whitened yet.
        needs_critic: whether it takes values; without, no value model is trained, evaluated or saved.
        needs_group: whether it compares responses to the same question, so that there must be two at least.
    """

    advantages: Callable[[Experience], Tensor]
    needs_critic: bool = False
    needs_group: bool = False


CREDITS = {
    "gae": Credit(by_critic, needs_critic=True),
    "group": Credit(by_group, needs_group=True),
    "group_centred": Credit(by_group_centred, needs_group=True),
    "leave_one_out": Credit(by_others, needs_group=True),
    "batch": Credit(by_batch),
}
