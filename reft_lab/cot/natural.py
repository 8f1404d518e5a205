"""Natural-language reasoning (N-CoT): prose that ends in `Therefore, the answer is: ANSWER`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from reft_lab.answers.compare import judge_letter, judge_number
from reft_lab.answers.letters import read_letter
from reft_lab.answers.numbers import read_number
from reft_lab.answers.outcome import Outcome
from reft_lab.answers.settings import AnswersConfig
from reft_lab.answers.typography import last_box
from reft_lab.cot.format import PLAIN, Frame, Prompts, gold_reasoning, last_part, own_part
from reft_lab.data.problem import Problem

TASK = 'Reason step by step, and end with a line of the form "Therefore, the answer is: ANSWER".'
"""What the user of a chat asks for below the question."""

_ANSWER_LINE = re.compile(r"therefore,? the (?:(?:final|correct) )?answer is:?[ \t]*([^\n]*)", re.IGNORECASE)
_FINAL_ANSWER = re.compile(r"\bthe final answer is:?[ \t]*([^\n]*)", re.IGNORECASE)


@dataclass(frozen=True)
class NaturalFormat:
    """Prompt the question in its frame, completion the prose, in both stages; see `CotFormat`."""

    answers: AnswersConfig
    frame: Frame = PLAIN

    def prompt(self, problem: Problem, stage: Prompts) -> str:
        return self.frame.prompt(problem.question)

    def completion(self, problem: Problem, stage: Prompts) -> str:
        return self.frame.lead + gold_reasoning(problem)

    def judge(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Outcome]:
        return [self._judge(problem, response) for problem, response in zip(problems, responses, strict=True)]

    def normal_form(self, problem: Problem, response: str) -> str:
        return " ".join(own_part(response).split())

    def _judge(self, problem: Problem, response: str) -> Outcome:
        text = stated_answer(response, self.answers.statement)
        if problem.is_choice:
            letter = read_letter(text, problem.options)
            return judge_letter(letter, problem.answer) if letter is not None else Outcome("no_answer")
        gold = float(problem.answer)
        number = read_number(text)
        if number is None:
            return Outcome("no_answer", gold=gold)
        return judge_number(number.nearest_to(gold), gold, self.answers.paper_tolerance)


def stated_answer(response: str, statement: str = "first") -> str:
    """The text after `Therefore, the answer is:`, up to the end of its line; empty where nothing is stated.

    Args:
        response: what the policy wrote.
        statement: `first` takes the first statement about the question that was asked (see `own_part`); without that
            sentence the first `the final answer is`, and without either (or with nothing after it on the line) the last
            `\\boxed{...}`. `last` takes the last statement of the whole text and looks for this sentence only, as the
            released code does.
    """
    if statement == "last":
        stated = _ANSWER_LINE.findall(last_part(response))
        return stated[-1].strip() if stated else ""
    response = own_part(response)
    found = _ANSWER_LINE.search(response) or _FINAL_ANSWER.search(response)
    return (found[1].strip() if found is not None else "") or last_box(response) or ""


def before_answer(response: str) -> str:
    """The reasoning that a response gives before it states its answer; all of it where it states none."""
    response = own_part(response)
    found = _ANSWER_LINE.search(response) or _FINAL_ANSWER.search(response)
    return response[: found.start()].strip() if found is not None else response.strip()
