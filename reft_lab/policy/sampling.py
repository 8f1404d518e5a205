"""Responses from a policy: temperature sampling for rollouts, greedy decoding for evaluation.

One path over any causal language model's forward. Prompts are sorted by length and left-padded, rows that are finished
are dropped, and decoding stops when all are done. The draw of a token depends on its own uniform number and on the
distribution alone, not on the batch it is in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reft_lab.policy.model import Policy

# Rows that are finished stay in the batch until at most this share of it is still running: dropping copies the cache.
DROP_BELOW = 0.8


@dataclass(frozen=True)
class Responses:
    """What a policy wrote, padded on the right, in the order of the prompts.

    Attributes:
        tokens: ids (B, T), the end-of-sequence token included; `pad` beyond the response.
        mask: True for tokens of the response (B, T).
        logprobs: log-probability of each token under the full distribution at temperature 1 (B, T), 0 beyond.
        entropies: entropy of that distribution in nats (B, T), 0 beyond.
        values: value of the state each token was chosen in (B, T), 0 beyond; zeros for a separate value model.
        finished: whether the response ended by itself (B,); False means cut at the length cap.
    """

    tokens: Tensor
    mask: Tensor
    logprobs: Tensor
    entropies: Tensor
    values: Tensor
    finished: Tensor

    def lists(self) -> list[list[int]]:
        """The responses as lists of ids without padding."""
        lengths = self.mask.sum(1).tolist()
        return [row[:length] for row, length in zip(self.tokens.tolist(), lengths, strict=True)]


@torch.no_grad()
def sample(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    *,
    eos_id: int,
    pad_id: int,
    max_new_tokens: int,
    batch_size: int,
    uniforms: np.ndarray | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Responses:
    """Complete `prompts`.

    Args:
        policy: the policy; left in evaluation mode.
        prompts: token ids, not empty.
        eos_id: the token that ends a response.
        pad_id: the token that fills up rows; it is always masked, and is an ordinary token where the policy samples it.
        max_new_tokens: length cap of a response.
        batch_size: prompts decoded at once.
        uniforms: numbers in [0, 1) of shape (len(prompts), max_new_tokens) that decide each draw at temperature 1 from
            the full distribution; None decodes greedily.
        on_progress: called with the number of prompts done so far, batch by batch.

    Returns:
        Responses on the CPU.
    """
    policy.eval()
    shape = (len(prompts), max_new_tokens)
    tokens = torch.full(shape, pad_id)
    mask = torch.zeros(shape, dtype=torch.bool)
    logprobs, entropies, values = (torch.zeros(shape) for _ in range(3))
    finished = torch.zeros(len(prompts), dtype=torch.bool)
    draws = None if uniforms is None else torch.from_numpy(np.ascontiguousarray(uniforms))

    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    longest = 0
    for start in range(0, len(order), batch_size):
        rows = torch.tensor(order[start : start + batch_size])
        steps = _decode_batch(
            policy,
            [prompts[i] for i in rows.tolist()],
            eos_id,
            pad_id,
            max_new_tokens,
            None if draws is None else draws[rows],
        )
        for t, step in enumerate(steps):
            here = rows[step.rows]
            tokens[here, t] = step.tokens
            mask[here, t] = True
            logprobs[here, t] = step.logprobs
            entropies[here, t] = step.entropies
            values[here, t] = step.values
            finished[here] = step.tokens == eos_id
        longest = max(longest, len(steps))
        if on_progress is not None:
            on_progress(start + len(rows))
    return Responses(
        tokens[:, :longest],
        mask[:, :longest],
        logprobs[:, :longest],
        entropies[:, :longest],
        values[:, :longest],
        finished,
    )


@dataclass(frozen=True)
class _Step:
    """One decoding step of a batch: the rows that were still running, and what came out for each."""

    rows: Tensor
    tokens: Tensor
    logprobs: Tensor
    entropies: Tensor
    values: Tensor


def _decode_batch(
    policy: Policy, prompts: list[Sequence[int]], eos_id: int, pad_id: int, cap: int, draws: Tensor | None
) -> list[_Step]:
    from transformers import DynamicCache

    device = policy.device
    width = max(len(prompt) for prompt in prompts)
    ids = torch.full((len(prompts), width), pad_id)
    mask = torch.zeros_like(ids)
    for i, prompt in enumerate(prompts):
        ids[i, width - len(prompt) :] = torch.tensor(prompt)
        mask[i, width - len(prompt) :] = 1
    lengths = mask.sum(1).to(device)
    ids, mask = ids.to(device), mask.to(device)
    positions = (mask.cumsum(1) - 1).clamp_min(0)
    rows = torch.arange(len(prompts))  # which prompt each row of the batch is
    running = torch.ones(len(prompts), dtype=torch.bool)
    cache = DynamicCache(config=policy.lm.config)

    steps: list[_Step] = []
    for t in range(cap):
        hidden = policy.trunk(ids, mask, positions, cache)[:, -1]
        values = torch.zeros(len(rows), device=device) if policy.value_trunk else policy.values(hidden)
        log_probs = torch.log_softmax(policy.logits(hidden), dim=-1)
        probs = log_probs.exp()
        chosen = log_probs.argmax(-1) if draws is None else _invert(probs, draws[rows, t].to(device))
        steps.append(
            _Step(
                rows[running],
                chosen.cpu()[running],
                log_probs.gather(-1, chosen[:, None])[:, 0].cpu()[running],
                -(probs * log_probs).sum(-1).cpu()[running],
                values.cpu()[running],
            )
        )
        running = running & (chosen.cpu() != eos_id)
        if t == cap - 1 or not running.any():
            break
        ids, positions = chosen[:, None], (lengths + t)[:, None]
        mask = torch.cat([mask, mask.new_ones((len(mask), 1))], dim=1)
        if running.float().mean() <= DROP_BELOW:
            kept = running.nonzero()[:, 0].to(device)
            cache.batch_select_indices(kept)
            ids, positions, mask, lengths = ids[kept], positions[kept], mask[kept], lengths[kept]
            rows, running = rows[running], running[running]
    return steps


def _invert(probs: Tensor, uniforms: Tensor) -> Tensor:
    """The token at which the cumulative distribution passes each uniform number: (B, V), (B,) -> (B,)."""
    cumulative = probs.double().cumsum(-1)
    threshold = uniforms.double()[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, threshold, right=True)[:, 0].clamp_max(probs.shape[-1] - 1)
