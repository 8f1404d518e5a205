"""Greedy evaluation: the policy answers a set of problems, and the answers are judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from reft_lab.answers.outcome import Outcome
from reft_lab.cot.format import CotFormat, Prompts
from reft_lab.data.problem import Problem
from reft_lab.evaluation.answering import answer
from reft_lab.evaluation.asking import NO_ROOM, Lengths, ask
from reft_lab.evaluation.score import Score, score
from reft_lab.policy.model import Policy
from reft_lab.policy.tokenizer import Codec


@dataclass(frozen=True)
class Evaluation:
    """The responses to a set of problems and how they were judged, in the order of the problems.

    Attributes:
        problems: what was asked.
        responses: what the policy wrote.
        outcomes: how it was judged.
        lengths: tokens of each response.
        finished: False for responses cut at the length cap.
        cut_prompts: prompts that were cut.
        metrics: what else was found, by the names of docs/metrics.md.
    """

    problems: Sequence[Problem]
    responses: list[str]
    outcomes: list[Outcome]
    lengths: list[int]
    finished: list[bool]
    cut_prompts: int
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def score(self) -> Score:
        """Accuracy with its interval."""
        return score(sum(outcome.kind == "correct" for outcome in self.outcomes), len(self.outcomes))


def evaluate(
    policy: Policy,
    problems: Sequence[Problem],
    form: CotFormat,
    codec: Codec,
    *,
    stage: Prompts = "rl",
    lengths: Lengths,
    batch_size: int,
    on_progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Ask the policy every problem, greedily.

    Responses are judged while others are still being written, and the policy's ranks share the problems. A prompt that
    leaves no room for an answer counts as no_answer.

    Args:
        problems: at least one.
        form: how prompts are written and answers read.
        stage: the stage whose prompts the policy knows.
        lengths: length caps.
        batch_size: prompts decoded at once.
        on_progress: called with the number of problems done so far, batch by batch.
    """
    asked = ask(policy, problems, form, codec, stage, lengths)
    fits = asked.fits
    outcomes = [NO_ROOM] * len(problems)
    responses, tokens, finished = [""] * len(problems), [0] * len(problems), [False] * len(problems)
    texts: dict[int, str] = {}
    answers = answer(
        policy,
        [asked.prompts[i] for i in fits],
        asked.judge(form, codec, texts, fits),
        range(len(fits)),
        eos_id=codec.end_ids,
        pad_id=codec.pad_id,
        limits=[asked.limits[i] for i in fits],
        max_new_tokens=lengths.max_new_tokens,
        batch_size=batch_size,
        on_progress=on_progress,
    )
    sampled, texts = answers.sampled, policy.ranks.merge(texts)
    found = zip(fits, answers.outcomes, sampled.mask.sum(1).tolist(), sampled.finished.tolist(), strict=True)
    for place, (i, outcome, length, is_finished) in enumerate(found):
        outcomes[i], tokens[i], finished[i], responses[i] = outcome, length, is_finished, texts[place]
    return Evaluation(problems, responses, outcomes, tokens, finished, asked.cut)
