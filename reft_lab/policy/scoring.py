"""Log-probabilities and values of given responses, in micro-batches of similar length under a token budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reft_lab.policy.model import Policy
from reft_lab.policy.packing import Packed, Sequences, own_micro_batches


@dataclass(frozen=True)
class Scores:
    """Per-token scores of the responses of a micro-batch, flattened row by row over response tokens only.

    Attributes:
        logprobs: log pi(a_t | s_t), (M,).
        values: V(s_t), (M,); None without a critic.
        entropies: of pi(. | s_t) in nats, (M,); None where they were not asked for.
    """

    logprobs: Tensor
    values: Tensor | None
    entropies: Tensor | None = None


def score(policy: Policy, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]], pad_id: int) -> Scores:
    """One forward pass over prompts + responses; with gradients where they are enabled.

    Args:
        policy: the policy, in the mode (train or eval) that is wanted.
        prompts: token ids, not empty.
        responses: token ids, at least one each.
        pad_id: any token id; it fills up rows where the model wants rows.
    """
    sequences = Sequences(prompts, responses, pad_id)
    return score_packed(policy, sequences.packed(range(len(sequences)), policy.device))


def score_packed(policy: Policy, batch: Packed, *, entropies: bool = False) -> Scores:
    """The same over a micro-batch that is on the policy's device; with entropies of the distributions if wanted."""
    return Scores(*policy(batch, entropies=entropies))


@torch.no_grad()
def score_all(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    responses: Sequence[Sequence[int]],
    *,
    pad_id: int,
    tokens_per_micro_batch: int,
) -> tuple[Tensor, Tensor | None]:
    """Log-probabilities and values of any number of responses, without gradients; the policy's ranks share the work.

    Returns:
        Two tensors (B, T) on the CPU, T the longest response, 0 beyond a response's end; no values without a critic.
    """
    policy.eval()
    sequences = Sequences(prompts, responses, pad_id)
    shape = (len(sequences), int(sequences.responses.max()))
    logprobs = torch.zeros(shape, device=policy.device)
    values = None if policy.value_head is None else torch.zeros_like(logprobs)
    groups = own_micro_batches(policy.ranks, sequences.lengths.tolist(), tokens_per_micro_batch)
    shortest = int(sequences.lengths.argmin())
    for number, group in policy.in_step(groups, shortest):
        batch = sequences.packed(group, policy.device)
        scores = score_packed(policy, batch)
        if number is None:
            continue
        logprobs[batch.index, batch.step] = scores.logprobs
        if values is not None and scores.values is not None:
            values[batch.index, batch.step] = scores.values
    logprobs, values = logprobs.cpu(), None if values is None else values.cpu()
    policy.ranks.add([logprobs] if values is None else [logprobs, values])  # zero in rows that others have computed
    return logprobs, values
