"""What every way of writing reasoning has in common."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from reft_lab.answers.outcome import Outcome
from reft_lab.data.problem import Problem
from reft_lab.errors import BadInput

Prompts = Literal["sft", "rl"]

_REASONING = "\nAnswer reasoning:\n"
_NEXT_QUESTION = re.compile(r"(?<=\S)\s*\n[ \t#*]*Question(?:[ \t]*\d+)?[ \t]*:")


@dataclass(frozen=True)
class Frame:
    """What stands around a question in a prompt.

    Attributes:
        before: up to the question.
        after: from its end to where the answer begins.
        lead: blanks that a chat template puts before an answer; they are the answer's, not the prompt's.
    """

    before: str
    after: str
    lead: str = ""

    def prompt(self, question: str, opening: str = "") -> str:
        """A question in its frame, and how the answer begins."""
        return f"{self.before}{question}{self.after}{self.lead if opening else ''}{opening}"


PLAIN = Frame("Question:\n", _REASONING)
"""The frame of the paper's released scripts."""


class CotFormat(Protocol):
    """How a problem is put to the policy, and how the response is read."""

    def prompt(self, problem: Problem, stage: Prompts) -> str:
        """What the policy is given."""

    def completion(self, problem: Problem, stage: Prompts) -> str:
        """The gold reasoning that follows `prompt`; together they are the whole example, except for the end token.

        Raises:
            BadInput: the problem has no gold reasoning, or one that cannot be written in this format.
        """

    def judge(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Outcome]:
        """The outcome of each response: the text that the policy wrote after the prompt of either stage."""

    def normal_form(self, problem: Problem, response: str) -> str:
        """What two responses to a problem have in common where they differ only in how the same is written."""


def own_part(response: str) -> str:
    """A response up to where it goes on with an invented question: a line that begins with `Question:`."""
    return _NEXT_QUESTION.split(response, maxsplit=1)[0]


def last_part(response: str) -> str:
    """The text after the last `Answer reasoning:` of a response that invents further questions.

    The released code judges this part, since it looks for the last one in prompt and response together.
    """
    return response.rpartition(_REASONING)[2]


def gold_reasoning(problem: Problem) -> str:
    """The gold chain of thought, without a newline at its end.

    Raises:
        BadInput: the problem has none.
    """
    if problem.cot is None:
        raise BadInput(f"{problem.source}: the problem has no gold reasoning to train on; leave it out.")
    return problem.cot.rstrip()
