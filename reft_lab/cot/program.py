"""Reasoning as a Python program (P-CoT): the answer is what its `solution()` returns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reft_lab.answers.compare import judge_letter, judge_number, judge_number_by_options
from reft_lab.answers.letters import option_letters
from reft_lab.answers.outcome import Outcome
from reft_lab.answers.settings import AnswersConfig
from reft_lab.cot.format import Prompts, gold_reasoning, last_part, own_part, question_prompt
from reft_lab.cot.program_text import HEADER, body, with_docstring
from reft_lab.cot.settings import CotConfig
from reft_lab.cot.slots import signature, slot_program, slot_question
from reft_lab.data.problem import Problem
from reft_lab.errors import BadInput
from reft_lab.programs import ProgramResult, extract

if TYPE_CHECKING:
    from reft_lab.programs import ProgramRunner

_DEFINITION = re.compile(r"^def[ \t]+solution\b", re.MULTILINE)


@dataclass(frozen=True)
class ProgramFormat:
    """Programs; see `CotFormat`.

    With a trigger the prompt goes on with `def solution():` and the question as its docstring, and the completion is
    the body that follows; without one the completion is the whole program. With slots the numbers of the question
    become x0, x1, ..., and the prompt always goes on with `def solution(x0=17, x1=2):`, which is the only place where
    their values stand; there is no docstring, to keep the prompt short for a tiny model.

    Attributes:
        cot: which stages have a trigger, and where programs are cut.
        answers: when an answer counts as right.
        runner: runs the programs.
        slots: whether numbers become slots.
    """

    cot: CotConfig
    answers: AnswersConfig
    runner: ProgramRunner
    slots: bool = False

    def prompt(self, problem: Problem, stage: Prompts) -> str:
        if self.slots:
            slotted = slot_question(problem.question)
            return question_prompt(slotted.text) + signature(slotted.numbers) + "\n"
        trigger = with_docstring(HEADER, problem.question) if self._has_trigger(stage) else ""
        return question_prompt(problem.question) + trigger

    def completion(self, problem: Problem, stage: Prompts) -> str:
        program = gold_reasoning(problem)
        if not self._has_trigger(stage):
            return program
        try:
            return body(slot_program(program, slot_question(problem.question).numbers) if self.slots else program)
        except (ValueError, BadInput) as error:
            raise BadInput(f"{problem.source}: the gold program cannot be used: {error}; leave it out.") from error

    def judge(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Outcome]:
        programs = [self.program(problem, response) for problem, response in zip(problems, responses, strict=True)]
        results = self.runner.run(programs)
        return [self._outcome(problem, result) for problem, result in zip(problems, results, strict=True)]

    def program(self, problem: Problem, response: str) -> str:
        """The program that a response amounts to: the whole one that it holds, or else the body of the header.

        The docstring stays out: it changes no answer, and equal bodies are one program to the runner. Where the
        response makes up further questions, the program of its own question counts, or with `answers.statement=last`
        that of the last one.
        """
        if self.answers.statement == "last" and (last := last_part(response)) != response:
            return extract(last, self.cot.cut_at_blank_line)
        if _holds_whole_program(own_part(response)):
            return extract(response, self.cot.cut_at_blank_line)
        header = signature(slot_question(problem.question).numbers) if self.slots else HEADER
        return extract(f"{header}\n{response}", self.cot.cut_at_blank_line)

    def _has_trigger(self, stage: Prompts) -> bool:
        return self.slots or (self.cot.rl_trigger if stage == "rl" else self.cot.sft_trigger)

    def _outcome(self, problem: Problem, result: ProgramResult) -> Outcome:
        gold = None if problem.is_choice else float(problem.answer)
        if result.status != "ok":
            return Outcome(result.status, gold=gold, detail=result.detail)
        if result.value is not None:
            if gold is not None:
                return judge_number(result.value, gold, self.answers.paper_tolerance)
            return judge_number_by_options(result.value, problem.options, problem.answer)
        if result.letter is not None and result.letter in option_letters(len(problem.options)):
            return judge_letter(result.letter, problem.answer)
        return Outcome("no_answer", gold=gold, detail=f"the program returned {result.letter!r}, which is no option")


def _holds_whole_program(response: str) -> bool:
    """Whether a response starts a program of its own instead of going on with the body of the prompt's header."""
    goes_on = response.lstrip("\n").startswith((" ", "\t"))
    return not goes_on and _DEFINITION.search(response) is not None
