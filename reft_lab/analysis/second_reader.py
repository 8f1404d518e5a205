"""A second, simpler reader of answers, to hold the lab's own against."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from reft_lab.analysis.responses import Response
from reft_lab.answers.compare import numbers_match
from reft_lab.answers.letters import option_letters
from reft_lab.answers.numbers import number_text
from reft_lab.answers.settings import AnswersConfig
from reft_lab.cot.format import own_part
from reft_lab.cot.program import ProgramFormat
from reft_lab.cot.settings import CotConfig

if TYPE_CHECKING:
    from reft_lab.programs import ProgramRunner

Read = list[tuple[Response, str | None, bool]]

IN_WORDS, RELEASED = "the last number or lone letter of the text", "the program as the released code cuts it"
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?|-?\.\d+")


def read_words(responses: Sequence[Response], answers: AnswersConfig) -> Read:
    """What the last number, or for multiple choice the last lone letter, of each response says.

    Returns:
        Each response with the answer as text, and whether it is right.
    """
    found: Read = []
    for each in responses:
        text, gold = own_part(each.text), each.problem.answer
        if each.problem.is_choice:
            letters = option_letters(len(each.problem.options))
            lone = re.findall(rf"(?<![^\W_])[{letters}](?![^\W_]|')", text, re.IGNORECASE)
            letter = lone[-1].lower() if lone else None
            found.append((each, letter, letter == gold))
            continue
        numbers = _NUMBER.findall(text)
        value = float(numbers[-1].replace(",", "")) if numbers else None
        right = value is not None and numbers_match(value, float(gold), answers.paper_tolerance)
        found.append((each, None if value is None else number_text(value), right))
    return found


def read_programs(responses: Sequence[Response], cot: CotConfig, answers: AnswersConfig, runner: ProgramRunner) -> Read:
    """What the programs say if they are cut as the released code does: at the first blank line, the last of several.

    Only those are run that this cut makes into another program. A run that already cuts so is read by the lab's own
    cut instead.
    """
    ours = ProgramFormat(cot, answers, runner)
    released = cot.cut_at_blank_line and answers.statement == "last"
    other = ProgramFormat(
        replace(cot, cut_at_blank_line=not released),
        replace(answers, statement="first" if released else "last"),
        runner,
    )
    differ = [
        place
        for place, each in enumerate(responses)
        if other.program(each.problem, each.text).strip() != ours.program(each.problem, each.text).strip()
    ]
    outcomes = other.judge([responses[i].problem for i in differ], [responses[i].text for i in differ])
    found: Read = [(each, each.answer, each.is_right) for each in responses]
    for place, outcome in zip(differ, outcomes, strict=True):
        found[place] = (responses[place], outcome.answer, outcome.kind == "correct")
    return found
