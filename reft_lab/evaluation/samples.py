"""Sampled responses to problems, judged: what pools hold, and how they are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reft_lab.answers.outcome import Outcome
from reft_lab.cot.format import CotFormat
from reft_lab.evaluation.answering import Distribution, answer
from reft_lab.evaluation.asking import NO_ROOM, Asked
from reft_lab.policy.model import Policy
from reft_lab.policy.tokenizer import Codec
from reft_lab.randomness import key


@dataclass(frozen=True, slots=True)
class Sample:
    """One sampled response.

    Attributes:
        text: what the policy wrote.
        tokens: its ids, the end-of-sequence token included.
        outcome: how it was judged.
        finished: False where it was cut at the length cap.
    """

    text: str
    tokens: list[int]
    outcome: Outcome
    finished: bool


NO_SAMPLE = Sample("", [], NO_ROOM, False)


def draw(
    policy: Policy,
    asked: Asked,
    wanted: Sequence[tuple[int, int]],
    form: CotFormat,
    codec: Codec,
    *,
    seed: int,
    distribution: Distribution,
    batch_size: int,
    on_progress: Callable[[int], None] | None = None,
) -> list[Sample]:
    """Samples of a policy. What number i of a problem is depends on the seed and the two alone, not on the batch.

    Args:
        asked: the problems, as the policy is asked them.
        wanted: the place of a problem and the number of the sample, for each sample to draw.
        form: how answers are read.
        seed: of the run.
        distribution: what is drawn from.
        batch_size: responses decoded at once.
        on_progress: called with the number of samples drawn so far, batch by batch.

    Returns:
        In the order of `wanted`. A problem whose prompt leaves no room for an answer gets NO_SAMPLE.
    """
    fitting = set(asked.fits)
    drawn = [row for row, (place, _) in enumerate(wanted) if place in fitting]
    places = [wanted[row][0] for row in drawn]
    keys = [key(seed, "pool", asked.problems[wanted[row][0]].id, wanted[row][1]) for row in drawn]
    limits = [asked.limits[place] for place in places]
    texts: dict[int, str] = {}
    answers = answer(
        policy,
        [asked.prompts[place] for place in places],
        asked.judge(form, codec, texts, places),
        range(len(drawn)),
        eos_id=codec.end_ids,
        pad_id=codec.pad_id,
        limits=limits,
        max_new_tokens=max(limits, default=1),
        batch_size=batch_size,
        keys=keys,
        distribution=distribution,
        on_progress=on_progress,
    )
    sampled, texts = answers.sampled, policy.ranks.merge(texts)
    found = zip(drawn, sampled.lists(), answers.outcomes, sampled.finished.tolist(), strict=True)
    samples = [NO_SAMPLE] * len(wanted)
    for number, (row, tokens, outcome, finished) in enumerate(found):
        samples[row] = Sample(texts[number], tokens, outcome, finished)
    return samples
