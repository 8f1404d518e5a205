"""Prompts put to a policy, and its responses judged while others are being written: what its ranks share most of."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from reft_lab.answers.outcome import Outcome
from reft_lab.errors import phase
from reft_lab.evaluation.judging import Judge, Judging
from reft_lab.policy.model import Policy
from reft_lab.policy.sampling import Responses, decode_batches, sample
from reft_lab.policy.sampling.responses import joined
from reft_lab.randomness import uniforms
from reft_lab.ranks import Ranks


@dataclass(frozen=True)
class Distribution:
    """What responses are drawn from; as it stands, the policy's full distribution.

    Attributes:
        temperature: divides the logits.
        top_k: the so many most probable tokens only; None: all.
        top_p: the most probable tokens that reach this probability together; None: all.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None


@dataclass(frozen=True)
class Answers:
    """What came of some prompts, in their order, the same on all ranks.

    Attributes:
        sampled: the responses.
        outcomes: how each was judged.
        written: when the last response was complete, by `time.perf_counter`.
    """

    sampled: Responses
    outcomes: list[Outcome]
    written: float


def answer(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    judge: Judge,
    places: Sequence[int],
    *,
    eos_id: int | Sequence[int],
    pad_id: int,
    limits: Sequence[int],
    max_new_tokens: int,
    batch_size: int,
    keys: Sequence[int] | None = None,
    distribution: Distribution = Distribution(),
    during: str = "",
    on_progress: Callable[[int], None] | None = None,
) -> Answers:
    """One response to each prompt, judged. The policy's ranks share prompts by their length; each judges its own.

    Args:
        policy: who is asked; left in evaluation mode.
        prompts: token ids, not empty.
        judge: outcomes of responses, from the places of their questions; it sees those of this rank's share alone.
        places: that of the question of each prompt.
        eos_id: the token that ends a response, or several that do.
        pad_id: the token that fills up rows.
        limits: length cap of each response, from 1 to `max_new_tokens`.
        max_new_tokens: length cap of all.
        batch_size: prompts decoded at once, by each rank.
        keys: what the draws of each response are keyed by; None decodes greedily.
        distribution: what is drawn from.
        during: the phase that sampling is; empty: that of the caller.
        on_progress: called with about the number of prompts done so far, batch by batch.
    """
    ranks = policy.ranks
    own = _own(ranks, prompts, limits, batch_size)
    with Judging(judge, [places[i] for i in own]) as judging:
        with phase(during) if during else nullcontext(), policy.gathered() as whole:
            sampled = sample(
                whole,
                [prompts[i] for i in own],
                eos_id=eos_id,
                pad_id=pad_id,
                max_new_tokens=max_new_tokens,
                limits=[limits[i] for i in own],
                batch_size=batch_size,
                uniforms=None if keys is None else uniforms([keys[i] for i in own], max_new_tokens),
                temperature=distribution.temperature,
                top_k=distribution.top_k,
                top_p=distribution.top_p,
                on_progress=_of_all(on_progress, len(own), len(prompts)),
                on_finished=judging.add,
            )
            sampled = _in_order(ranks, own, sampled, pad_id)
        written = time.perf_counter()
        outcomes = ranks.merge(dict(zip(own, judging.outcomes(), strict=True)))
    return Answers(sampled, [outcomes[i] for i in range(len(prompts))], written)


def _own(ranks: Ranks, prompts: Sequence[Sequence[int]], limits: Sequence[int], batch_size: int) -> list[int]:
    """Places of the prompts that this rank asks, rising: those of the batches that one process would decode, where that
    order is kept."""
    # How long a response gets is not known: all may take about as long, and prompts are read beside.
    costs = [len(prompt) + limit for prompt, limit in zip(prompts, limits, strict=True)]
    if not ranks.keeps_order:
        return ranks.share(costs)
    batches = decode_batches(prompts, batch_size)
    return sorted(
        i for number in ranks.share([sum(costs[i] for i in batch) for batch in batches]) for i in batches[number]
    )


def _in_order(ranks: Ranks, own: list[int], sampled: Responses, pad_id: int) -> Responses:
    """The responses of all ranks, of which this one has sampled those at the places `own`."""
    if ranks.size == 1:
        return sampled
    parts = ranks.gather((own, sampled))
    order = [place for places, _ in parts for place in places]
    whole = joined([part for _, part in parts], pad_id)
    return whole.rows(sorted(range(len(order)), key=order.__getitem__)) if order else whole


def _of_all(on_progress: Callable[[int], None] | None, own: int, all_of_them: int) -> Callable[[int], None] | None:
    """Tells what all ranks have done, judged by this one."""
    if on_progress is None or own == all_of_them:
        return on_progress
    return lambda done: on_progress(round(done / own * all_of_them))
