"""Greedy evaluation: the policy answers a set of problems, and the answers are judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reft_lab.answers.outcome import Outcome
from reft_lab.cot.format import CotFormat, Prompts
from reft_lab.data.problem import Problem
from reft_lab.evaluation.judging import Judging
from reft_lab.evaluation.score import Score, score
from reft_lab.policy.model import Policy
from reft_lab.policy.sampling import response_limits, sample
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
    """

    problems: Sequence[Problem]
    responses: list[str]
    outcomes: list[Outcome]
    lengths: list[int]
    finished: list[bool]
    cut_prompts: int

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
    max_new_tokens: int,
    total_tokens: int | None = None,
    cut_prompts_at: int | None = None,
    batch_size: int,
    on_progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Ask the policy every problem, greedily.

    Responses are judged while others are still being written. A prompt that leaves no room for an answer, within the
    model's positions or `total_tokens`, counts as no_answer.

    Args:
        problems: at least one.
        form: how prompts are written and answers read.
        stage: the stage whose prompts the policy knows.
        max_new_tokens: length cap of a response.
        total_tokens: length cap of prompt and response together; None: none.
        cut_prompts_at: tokens after which a prompt is cut; None: never.
        batch_size: prompts decoded at once.
        on_progress: called with the number of problems done so far, batch by batch.
    """
    whole = codec.prompts([form.prompt(problem, stage) for problem in problems])
    prompts = [ids[:cut_prompts_at] for ids in whole]
    cut = sum(len(ids) > len(prompt) for ids, prompt in zip(whole, prompts, strict=True))
    room = policy.positions
    limits = response_limits(prompts, max_new_tokens, total_tokens, room)
    asked = enumerate(zip(prompts, limits, strict=True))
    fits = [i for i, (prompt, limit) in asked if limit > 0 and (room is None or len(prompt) + limit <= room)]
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
            limits=[limits[i] for i in fits],
            batch_size=batch_size,
            on_progress=on_progress,
            on_finished=judging.add,
        )
        judged = judging.outcomes()
    found = zip(judged, sampled.mask.sum(1).tolist(), sampled.finished.tolist(), strict=True)
    for i, of_response in zip(fits, found, strict=True):
        outcomes[i], lengths[i], finished[i] = of_response
    return Evaluation(problems, responses, outcomes, lengths, finished, cut)
