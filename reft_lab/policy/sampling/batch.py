"""One batch of prompts, decoded to the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from reft_lab.policy.sampling.decoder import Decoder
from reft_lab.policy.sampling.responses import Step, Transcript, is_one_of
from reft_lab.policy.sampling.rows import close_gaps

# Rows that are finished stay in the batch until at most this share of it is still running: dropping costs something.
DROP_BELOW = 0.8

# Tokens between two looks at which rows are finished. On an accelerator a look waits for all work under way.
LOOK_EVERY = {"cpu": 1, "cuda": 8, "mps": 8}


def decode_batch(
    decoder: Decoder,
    prompts: Sequence[tuple[int, ...]],
    rows: Tensor,
    choose: Callable[[Tensor, Tensor, int], Step],
    transcript: Transcript,
    *,
    cap: int,
    limits: Tensor | None,
    ends: Sequence[int],
    on_finished: Callable[[Tensor], None],
) -> None:
    """Complete `prompts` and write what comes to `transcript`.

    Args:
        decoder: what computes.
        prompts: sorted by length; equal ones are read once.
        rows: where each stands in the transcript (n,).
        choose: the next step, from hidden states (m, H), the places of their rows in the batch (m,), and the time.
        transcript: what is written so far.
        cap: most tokens a response.
        limits: most tokens of each response, on the CPU (n,), at most `cap`; None: `cap` for all.
        ends: the tokens that end a response.
        on_finished: called with rows of the transcript that are complete, each row once.
    """
    unique = {prompt: number for number, prompt in enumerate(dict.fromkeys(prompts))}
    hidden = decoder.start(list(unique), cap)
    device = hidden.device
    if len(unique) < len(prompts):
        which = torch.tensor([unique[prompt] for prompt in prompts], device=device)
        decoder.keep(which)
        hidden = hidden[which]
    places = torch.arange(len(prompts), device=device)  # of the batch's rows that are still decoded
    running = torch.ones(len(prompts), dtype=torch.bool, device=device)
    steps: list[Step] = []
    # A row at its limit is dropped at once: it may be at the last position that the model knows.
    lengths = set() if limits is None else set(limits.tolist())
    limits = None if limits is None else limits.to(device)
    for t in range(cap):
        steps.append(choose(hidden, places, t))
        tokens = steps[-1].tokens
        running &= ~is_one_of(tokens, ends)
        if limits is not None:
            running &= limits[places] > t + 1
        if t + 1 == cap:
            break
        if t + 1 in lengths or (t + 1) % LOOK_EVERY[device.type] == 0:
            left = int(running.sum())
            if left == 0:
                break
            if left <= DROP_BELOW * len(running) or (t + 1 in lengths and left < len(running)):
                written = rows[places.cpu()]
                transcript.write(written, steps)
                steps = []
                on_finished(written[~running.cpu()])
                order = close_gaps(running)
                decoder.keep(order)
                tokens, places, running = tokens[order], places[order], running[order]
        hidden = decoder.step(tokens)
    decoder.stop()
    transcript.write(rows[places.cpu()], steps)
    on_finished(rows[places.cpu()])
