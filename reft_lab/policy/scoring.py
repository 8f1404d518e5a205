"""Log-probabilities and values of given responses, in length buckets under a token budget.

Sequences are right-padded and sorted by length, so that little is computed on padding, and the two heads see response
positions only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reft_lab.policy.model import Policy


@dataclass(frozen=True)
class Scores:
    """Per-token scores of the responses of one micro-batch, flattened row by row over response tokens only.

    Attributes:
        logprobs: log pi(a_t | s_t), (N,).
        values: V(s_t), (N,).
    """

    logprobs: Tensor
    values: Tensor


def micro_batches(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Split range(len(lengths)) into groups of similar length whose padded size is at most `tokens`.

    A sequence longer than `tokens` gets a group of its own.
    """
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    groups: list[list[int]] = []
    for i in order:
        # Sorted, so the newest member is the longest and sets the padded width.
        if groups and lengths[i] * (len(groups[-1]) + 1) <= tokens:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def score(policy: Policy, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]], pad_id: int) -> Scores:
    """One forward pass over prompts + responses; with gradients where they are enabled.

    The position that predicts a response's first token is the prompt's last, so prompts must not be empty.

    Args:
        policy: the policy, in the mode (train or eval) that is wanted.
        prompts: token ids.
        responses: token ids, at least one each.
        pad_id: any token id; padding stands on the right, where causal attention never looks.
    """
    device = policy.device
    width = max(len(p) + len(r) for p, r in zip(prompts, responses, strict=True)) - 1
    ids = torch.full((len(prompts), width), pad_id)
    predicts = torch.zeros_like(ids, dtype=torch.bool)
    for i, (prompt, response) in enumerate(zip(prompts, responses, strict=True)):
        end = len(prompt) + len(response) - 1  # nothing is predicted from the last token
        ids[i, :end] = torch.tensor([*prompt, *response[:-1]])
        predicts[i, len(prompt) - 1 : end] = True
    targets = torch.tensor([token for response in responses for token in response], device=device)
    ids, predicts = ids.to(device), predicts.to(device)
    positions = torch.arange(width, device=device).expand_as(ids)

    hidden = policy.trunk(ids, None, positions)
    for_values = policy.hidden_for_values(hidden, ids, positions)
    logits = policy.logits(hidden[predicts])
    logprobs = -torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    return Scores(logprobs, policy.values(for_values[predicts]))


@torch.no_grad()
def score_all(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    responses: Sequence[Sequence[int]],
    *,
    pad_id: int,
    tokens_per_micro_batch: int,
) -> tuple[Tensor, Tensor]:
    """Log-probabilities and values of any number of responses, without gradients.

    Returns:
        Two tensors (B, T) on the CPU, T the longest response, 0 beyond a response's end.
    """
    policy.eval()
    longest = max(len(response) for response in responses)
    logprobs, values = torch.zeros(len(responses), longest), torch.zeros(len(responses), longest)
    lengths = [len(p) + len(r) - 1 for p, r in zip(prompts, responses, strict=True)]
    for group in micro_batches(lengths, tokens_per_micro_batch):
        scores = score(policy, [prompts[i] for i in group], [responses[i] for i in group], pad_id)
        sizes = [len(responses[i]) for i in group]
        for i, row, row_values in zip(
            group, scores.logprobs.cpu().split(sizes), scores.values.cpu().split(sizes), strict=True
        ):
            logprobs[i, : len(row)], values[i, : len(row)] = row, row_values
    return logprobs, values
