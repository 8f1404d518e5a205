"""Greedy decoding of a set of problems, judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reft_lab.algorithms.judging import Judging
from reft_lab.answers.outcome import Outcome
from reft_lab.cot.format import CotFormat
from reft_lab.data.problem import Problem
from reft_lab.evaluation.score import Score, score
from reft_lab.policy.model import Policy
from reft_lab.policy.sampling import sample
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
    """

    problems: Sequence[Problem]
    responses: list[str]
    outcomes: list[Outcome]
    lengths: list[int]
    finished: list[bool]

    @property
    def correct(self) -> int:
        """Number of right answers."""
        return sum(outcome.kind == "correct" for outcome in self.outcomes)

    @property
    def score(self) -> Score:
        """Accuracy with its interval."""
        return score(self.correct, len(self.outcomes))


def evaluate(
    policy: Policy,
    problems: Sequence[Problem],
    form: CotFormat,
    codec: Codec,
    *,
    max_new_tokens: int,
    batch_size: int,
    on_progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Ask the policy every problem, greedily, with the prompts of the RL stage.

    Responses are judged while others are still being written. A prompt is never cut; one that leaves no room for an
    answer within the model's positions counts as no_answer.

    Args:
        policy: the policy.
        problems: at least one.
        form: how prompts are written and answers read.
        codec: text to ids and back.
        max_new_tokens: length cap of a response.
        batch_size: prompts decoded at once.
        on_progress: called with the number of problems done so far, batch by batch.
    """
    prompts = codec.prompts([form.prompt(problem, "rl") for problem in problems])
    room = policy.positions
    fits = [i for i, prompt in enumerate(prompts) if room is None or len(prompt) + max_new_tokens <= room]
    outcomes = [Outcome("no_answer", detail="the prompt leaves no room for an answer")] * len(problems)
    responses, lengths, finished = [""] * len(problems), [0] * len(problems), [False] * len(problems)

    def judge(places: Sequence[int], ids: Sequence[Sequence[int]]) -> list[Outcome]:
        texts = codec.read([prompts[i] for i in places], ids)
        for i, text in zip(places, texts, strict=True):
            responses[i] = text
        return form.judge([problems[i] for i in places], texts)

    with Judging(judge, fits) as judging:
        sampled = sample(
            policy,
            [prompts[i] for i in fits],
            eos_id=codec.eos_id,
            pad_id=codec.pad_id,
            max_new_tokens=max_new_tokens,
            batch_size=batch_size,
            on_progress=on_progress,
            on_finished=judging.add,
        )
        judged = judging.outcomes()
    for i, outcome, length, ended in zip(
        fits, judged, sampled.mask.sum(1).tolist(), sampled.finished.tolist(), strict=True
    ):
        outcomes[i], lengths[i], finished[i] = outcome, length, ended
    return Evaluation(problems, responses, outcomes, lengths, finished)
