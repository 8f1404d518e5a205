"""The way in: prompts to responses, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from reft_lab.policy.model import Policy
from reft_lab.policy.sampling.batch import decode_batch
from reft_lab.policy.sampling.choice import Restriction, choose
from reft_lab.policy.sampling.decoder import Decoder
from reft_lab.policy.sampling.general import GeneralDecoder
from reft_lab.policy.sampling.llama import LlamaDecoder, serves
from reft_lab.policy.sampling.responses import Responses, Step, Transcript


def response_limits(
    prompts: Sequence[Sequence[int]], max_new_tokens: int, total_tokens: int | None, positions: int | None
) -> list[int]:
    """The length cap of each response, which may be below 1 for a long prompt.

    Args:
        prompts: token ids.
        max_new_tokens: cap of every response.
        total_tokens: cap of prompt and response together; None: none.
        positions: those that the model has; no more than these are taken for `total_tokens`.
    """
    if total_tokens is None:
        return [max_new_tokens] * len(prompts)
    room = total_tokens if positions is None else min(total_tokens, positions)
    return [min(max_new_tokens, room - len(prompt)) for prompt in prompts]


def decode_batches(prompts: Sequence[Sequence[int]], batch_size: int) -> list[list[int]]:
    """Places of the prompts that `sample` decodes at once, batch by batch; equal prompts stand side by side."""
    keys = [tuple(prompt) for prompt in prompts]
    order = sorted(range(len(prompts)), key=lambda i: (len(keys[i]), keys[i]))
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


@torch.no_grad()
def sample(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    *,
    eos_id: int | Sequence[int],
    pad_id: int,
    max_new_tokens: int,
    batch_size: int,
    limits: Sequence[int] | None = None,
    uniforms: np.ndarray | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    on_progress: Callable[[int], None] | None = None,
    on_finished: Callable[[list[int], list[list[int]]], None] | None = None,
) -> Responses:
    """Complete `prompts`.

    The draw of a token depends on its own uniform number and on the distribution alone, not on the batch it is in.
    Log-probabilities, entropies and values always belong to the full distribution at temperature 1, whatever
    `temperature`, `top_k` and `top_p` say.

    Args:
        policy: the policy; left in evaluation mode.
        prompts: token ids, not empty.
        eos_id: the token that ends a response, or several that do.
        pad_id: the token that fills up rows; it is always masked, and is an ordinary token where the policy samples it.
        max_new_tokens: length cap of a response.
        batch_size: prompts decoded at once.
        limits: length cap of each response, from 1 to `max_new_tokens`; None: `max_new_tokens` for all.
        uniforms: numbers in [0, 1) of shape (len(prompts), max_new_tokens) that decide each draw; None decodes
            greedily.
        temperature: divides the logits before a draw.
        top_k: draw from the so many most probable tokens only; None: from all.
        top_p: draw from the fewest most probable tokens that reach this probability together; None: from all.
        on_progress: called with the number of prompts done so far, batch by batch.
        on_finished: called with indices of prompts and their complete responses as soon as they are known to be
            complete, each prompt once.

    Returns:
        Responses on the CPU.

    Raises:
        BadInput: temperature, top_k or top_p is out of range.
    """
    restriction = Restriction(temperature, top_k, top_p)
    policy.eval()
    is_lean = serves(policy)
    reader = policy if is_lean else policy.merged()
    decoder: Decoder = LlamaDecoder(reader) if is_lean else GeneralDecoder(reader)
    ends = (eos_id,) if isinstance(eos_id, int) else tuple(eos_id)
    caps = None if limits is None or min(limits, default=max_new_tokens) == max_new_tokens else torch.tensor(limits)
    has_values = policy.value_head is not None and policy.value_trunk is None  # a second trunk would double the work
    transcript = Transcript(len(prompts), max_new_tokens, ends, pad_id, caps, has_values=has_values)
    draws = None if uniforms is None else torch.from_numpy(np.ascontiguousarray(uniforms))

    def finished(rows: Tensor) -> None:
        if on_finished is not None:
            on_finished(rows.tolist(), transcript.lists(rows))

    done = 0
    with reader.keeping_casts():
        for batch in decode_batches(prompts, batch_size):
            rows = torch.tensor(batch)
            batch_draws = None if draws is None else draws[rows].t().contiguous().to(policy.device)

            def next_step(hidden: Tensor, places: Tensor, t: int, draws: Tensor | None = batch_draws) -> Step:
                uniforms = None if draws is None else draws[t][places]
                tokens, logprobs, entropies = choose(decoder.logits(hidden), uniforms, restriction)
                return Step(tokens, logprobs, entropies, policy.values(hidden) if has_values else None)

            decode_batch(
                decoder,
                [tuple(prompts[i]) for i in batch],
                rows,
                next_step,
                transcript,
                cap=max_new_tokens if caps is None else int(caps[rows].max()),
                limits=None if caps is None else caps[rows],
                ends=ends,
                on_finished=finished,
            )
            done += len(batch)
            if on_progress is not None:
                on_progress(done)
    decoder.close()
    return transcript.responses()
