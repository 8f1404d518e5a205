"""Reasoning as a Python program (P-CoT): the answer is what its solution() returns."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reft_lab.answers.compare import judge_letter, judge_number, judge_number_by_options
from reft_lab.answers.letters import option_letters
from reft_lab.answers.outcome import Outcome
from reft_lab.answers.settings import AnswersConfig
from reft_lab.cot.format import PLAIN, Frame, Prompts, gold_reasoning, last_part, own_part
from reft_lab.cot.settings import CotConfig
from reft_lab.cot.slots import signature, slot_program, slot_question
from reft_lab.data.problem import Problem
from reft_lab.data.program_text import docstring
from reft_lab.errors import BadInput
from reft_lab.programs import ProgramResult, extract

if TYPE_CHECKING:
    from reft_lab.programs import ProgramRunner

TASK = "Answer with a Python function solution() that computes and returns the answer."
"""What the user of a chat asks for below the question."""

HEADER = "def solution():"
INDENT = "    "


def with_docstring(header: str, question: str) -> str:
    """`header` and the question as the docstring below it, ending in a newline."""
    return f'{header}\n{INDENT}"""{docstring(question)}"""\n'


def body(program: str) -> str:
    """The code below header and docstring of `solution` in `program`, indented by four spaces, with its formatting.

    Code above `solution` (imports, constants, helpers) moves to the top of the body, and code below it is left out.
    There is no newline at the end.

    Raises:
        ValueError: `program` is not Python, or does not define `solution` with a body and without parameters.
    """
    try:
        tree = ast.parse(program)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"it is not a Python program ({error})") from error
    places = [i for i, node in enumerate(tree.body) if isinstance(node, ast.FunctionDef) and node.name == "solution"]
    if not places:
        raise ValueError("it does not define solution()")
    function = tree.body[places[0]]
    assert isinstance(function, ast.FunctionDef)
    if ast.unparse(function.args):
        raise ValueError("its solution() takes parameters")
    statements = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    if not statements:
        raise ValueError("its solution() has no body")
    lines = re.split(r"\r\n|\r|\n", program)  # as ast counts them; str.splitlines knows more line ends
    above = [ast.unparse(node) for node in tree.body[: places[0]]]
    return "\n".join([*(textwrap.indent(text, INDENT) for text in above), _source(function, statements, lines)])


def _source(function: ast.FunctionDef, statements: list[ast.stmt], lines: list[str]) -> str:
    """The lines of `statements`, with the comments above the first of them.

    Where these lines do not fit below our own header (other indentation, or a line shared with header or docstring),
    the code is written anew, without comments.
    """
    first = statements[0].lineno - 1
    before = function.body[0].end_lineno if statements is not function.body else function.lineno
    assert before is not None
    if first < before or not lines[first].startswith(INDENT) or lines[first][len(INDENT)].isspace():
        return textwrap.indent("\n".join(map(ast.unparse, statements)), INDENT)
    while first > before and lines[first - 1].strip().startswith("#"):
        first -= 1
    return "\n".join(lines[first : function.end_lineno]).rstrip()


_DEFINITION = re.compile(r"^def[ \t]+solution\b", re.MULTILINE)


@dataclass(frozen=True)
class ProgramFormat:
    """Programs; see `CotFormat`.

    With a trigger the prompt continues with `def solution():` and the question as its docstring, and the completion is
    the body that follows; without one the completion is the whole program. With slots the numbers of the question
    become x0, x1, ..., and the prompt always continues with `def solution(x0=17, x1=2):`, the only place that holds
    their values; it has no docstring, to keep it short for a tiny model.

    Attributes:
        cot: which stages have a trigger, whether numbers become slots, and where programs are cut.
        answers: when an answer counts as right.
        runner: runs the programs.
        frame: what stands around the question.
    """

    cot: CotConfig
    answers: AnswersConfig
    runner: ProgramRunner
    frame: Frame = PLAIN

    def prompt(self, problem: Problem, stage: Prompts) -> str:
        if self.cot.number_slots:
            slotted = slot_question(problem.question)
            return self.frame.prompt(slotted.text, signature(slotted.numbers) + "\n")
        trigger = with_docstring(HEADER, problem.question) if self._has_trigger(stage) else ""
        return self.frame.prompt(problem.question, trigger)

    def completion(self, problem: Problem, stage: Prompts) -> str:
        program = gold_reasoning(problem)
        if not self._has_trigger(stage):
            return self.frame.lead + program
        try:
            return body(
                slot_program(program, slot_question(problem.question).numbers) if self.cot.number_slots else program
            )
        except (ValueError, BadInput) as error:
            raise BadInput(f"{problem.source}: the gold program cannot be used: {error}; leave it out.") from error

    def judge(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Outcome]:
        programs = [self.program(problem, response) for problem, response in zip(problems, responses, strict=True)]
        results = self.runner.run(programs)
        return [self._outcome(problem, result) for problem, result in zip(problems, results, strict=True)]

    def normal_form(self, problem: Problem, response: str) -> str:
        """The program as Python sees it: without blanks, comments and docstrings."""
        program = self.program(problem, response)
        try:
            tree = ast.parse(program)
            for node in ast.walk(tree):
                if (
                    isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef))
                    and ast.get_docstring(node) is not None
                ):
                    node.body = node.body[1:] or [ast.Pass()]
            return ast.unparse(tree)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return " ".join(program.split())

    def program(self, problem: Problem, response: str) -> str:
        """The program in a response: the whole one that it holds, otherwise the header with the response as its body.

        The docstring is left out: it changes no answer, and to the runner equal bodies are then the same program. Where
        the response invents further questions, the program of the question that was asked counts, or that of the last
        question with `answers.statement=last`.
        """
        if self.answers.statement == "last" and (last := last_part(response)) != response:
            return extract(last, self.cot.cut_at_blank_line)
        # A chat template may put a blank before an answer, as Llama 2's does.
        whole = response.removeprefix(" ") if self.cot.prompt == "chat" else response
        if _holds_whole_program(own_part(whole)):
            return extract(whole, self.cot.cut_at_blank_line)
        header = signature(slot_question(problem.question).numbers) if self.cot.number_slots else HEADER
        return extract(f"{header}\n{response}", self.cot.cut_at_blank_line)

    def _has_trigger(self, stage: Prompts) -> bool:
        return self.cot.number_slots or (self.cot.rl_trigger if stage == "rl" else self.cot.sft_trigger)

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
        return Outcome("no_answer", gold=gold, detail=f"the program returned {result.letter!r}, which is not an option")


def _holds_whole_program(response: str) -> bool:
    """Whether a response starts a new program instead of continuing the one in the prompt."""
    goes_on = response.lstrip("\n").startswith((" ", "\t"))
    return not goes_on and _DEFINITION.search(response) is not None
