"""How problems are put to a policy: their prompts as ids, and the room that is left for a response to each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reft_lab.answers.outcome import Outcome
from reft_lab.cot.format import CotFormat, Prompts
from reft_lab.data.problem import Problem
from reft_lab.evaluation.judging import Judge
from reft_lab.policy.model import Policy
from reft_lab.policy.sampling import response_limits
from reft_lab.policy.tokenizer import Codec

NO_ROOM = Outcome("no_answer", detail="the prompt leaves no room for an answer")


@dataclass(frozen=True)
class Lengths:
    """Length caps under which a policy is asked.

    Attributes:
        max_new_tokens: of a response.
        total_tokens: of prompt and response together; None: none.
        cut_prompts_at: tokens after which a prompt is cut; None: never.
    """

    max_new_tokens: int
    total_tokens: int | None = None
    cut_prompts_at: int | None = None


@dataclass(frozen=True)
class Asked:
    """Problems as a policy is asked them.

    Attributes:
        problems: what is asked.
        prompts: ids of the prompts, as they were cut.
        limits: length cap of a response to each.
        fits: places of the problems whose prompt leaves room for an answer, within the model's positions and
            `Lengths.total_tokens`; the others count as NO_ROOM.
        cut: how many prompts were cut.
    """

    problems: Sequence[Problem]
    prompts: list[list[int]]
    limits: list[int]
    fits: list[int]
    cut: int

    def judge(self, form: CotFormat, codec: Codec, texts: dict[int, str], places: Sequence[int]) -> Judge:
        """What judges the responses to some of the problems, by their places there.

        It writes what it reads to `texts`. Questions are named by their places in `places`, which says which problem
        each asks.
        """

        def judge(questions: Sequence[int], responses: Sequence[Sequence[int]]) -> list[Outcome]:
            asked = [places[question] for question in questions]
            read = codec.read([self.prompts[place] for place in asked], responses)
            texts.update(zip(questions, read, strict=True))
            return form.judge([self.problems[place] for place in asked], read)

        return judge


def ask(
    policy: Policy, problems: Sequence[Problem], form: CotFormat, codec: Codec, stage: Prompts, lengths: Lengths
) -> Asked:
    """The problems with the prompts of `stage`, which are those that the policy knows."""
    whole = codec.prompts([form.prompt(problem, stage) for problem in problems])
    prompts = [ids[: lengths.cut_prompts_at] for ids in whole]
    room = policy.positions
    limits = response_limits(prompts, lengths.max_new_tokens, lengths.total_tokens, room)
    asked = enumerate(zip(prompts, limits, strict=True))
    fits = [i for i, (prompt, limit) in asked if limit > 0 and (room is None or len(prompt) + limit <= room)]
    cut = sum(len(ids) > len(prompt) for ids, prompt in zip(whole, prompts, strict=True))
    return Asked(problems, prompts, limits, fits, cut)
