"""When an answer counts as right."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reft_lab.answers.letters import option_letters
from reft_lab.answers.numbers import number_text, read_whole
from reft_lab.answers.outcome import Outcome

TOLERANCE = 0.01
"""The paper's |a - y| <= 0.01; where |y| < 1, the allowed share of |y|."""


def numbers_match(value: float, gold: float, paper_tolerance: bool = False) -> bool:
    """Whether `value` is `gold` but for rounding.

    |value - gold| <= 0.01 as in the paper; where |gold| < 1, at most 1 % of |gold|, unless `paper_tolerance` is set
    (under the paper's rule 0 is right for a gold answer of 0.01). nan and inf match nothing.
    """
    if not (math.isfinite(value) and math.isfinite(gold)):
        return False
    tolerance = TOLERANCE if paper_tolerance else TOLERANCE * min(1.0, abs(gold))
    float_noise = 1e-12 + 4 * math.ulp(gold)
    return abs(value - gold) <= tolerance + float_noise


def judge_number(value: float, gold: float, paper_tolerance: bool) -> Outcome:
    """`correct` or `wrong` for a finite number."""
    kind = "correct" if numbers_match(value, gold, paper_tolerance) else "wrong"
    return Outcome(kind, answer=number_text(value), value=value, gold=gold)


def judge_letter(letter: str, gold: str) -> Outcome:
    """`correct` or `wrong` for an option letter in upper or lower case."""
    return Outcome("correct" if letter.lower() == gold.strip().lower() else "wrong", answer=letter.lower())


def judge_number_by_options(value: float, options: Sequence[str], gold: str) -> Outcome:
    """`correct` or `wrong` for a finite number that answers a multiple-choice question.

    What counts is the letter of the option that the number belongs to (see `option_of`); a number that belongs to none
    is `wrong`. Either way the number is kept as `value`: a numeric answer was extracted.
    """
    letter = option_of(value, options)
    if letter is None:
        return Outcome("wrong", answer=number_text(value), value=value)
    return Outcome(judge_letter(letter, gold).kind, answer=letter, value=value)


def option_of(value: float, options: Sequence[str]) -> str | None:
    """The letter of the option whose number is nearest to `value`; None where none is near.

    Options that are not a single number (`n + 3`, `3 : 5`, `2 hours 30 min`) are passed over.

    Near means equal by `numbers_match`, or within 1 % of the option's number, since options are often rounded (27.7 for
    27.675). An option `20 %` means 20, or 0.2 where no option is near as written. Of equally near options the first
    counts.
    """
    near: list[tuple[bool, float, str]] = []
    for letter, option in zip(option_letters(len(options)), options, strict=False):
        number = read_whole(option)
        if number is None:
            continue
        meant = number.nearest_to(value)
        distance = abs(value - meant)
        if numbers_match(value, meant) or distance <= TOLERANCE * abs(meant):
            near.append((meant != number.value, distance, letter))
    return min(near)[2] if near else None
