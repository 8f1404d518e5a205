"""Gold reasoning in natural language, in the hands of many annotators or in one clean hand."""

from __future__ import annotations

from collections.abc import Mapping

from reft_lab.data.arithmetic.draws import Draws
from reft_lab.data.arithmetic.expressions import commuted, formula, nested
from reft_lab.data.arithmetic.quantities import compute
from reft_lab.data.arithmetic.question import Question
from reft_lab.data.arithmetic.template import Step

PHRASES: dict[str, tuple[str, ...]] = {
    "start": ("the number of {things} at first", "the first number of {things}"),
    "got": ("the number of new {things}", "the number of {things} added"),
    "gone": ("the number of {things} gone", "the number of {things} taken away"),
    "more": ("the difference", "the number of {things} more"),
    "other": ("the number of the other person's {things}", "the other number of {things}"),
    "sum": ("the sum", "the number of {things} added together"),
    "total": ("the total number of {things}", "the number of {things} in all"),
    "rest": ("the rest", "the number of {things} kept so far"),
    "left": ("the number of {things} left", "the number of remaining {things}"),
    "packed": ("the number of {things} in all the groups", "the product"),
    "stacked": ("the number of {things} in the other groups", "the second product"),
    "double": ("the doubled number of {things}", "twice the number of {things}"),
    "part": ("the number of {things} in each part", "each share"),
    "packs": ("the number of groups", "the number needed"),
}
"""Ways to name what a step finds; the clean hand uses the first. {things} is what the question counts."""

_SENTENCES, _COMMUTED = 0.60, 0.30
_FIRST_OPENINGS = ("First, ", "To begin, ", "")
_LATER_OPENINGS = ("Then ", "Next, ", "So ", "")
_FORMS = (
    "{phrase} is {formula} = {value}.",
    "we find {phrase}: {formula} = {value}.",
    "{formula} = {value} is {phrase}.",
)
_SPOKEN = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}


def write_natural(question: Question, numbers: Mapping[str, int], annotation: str, draws: Draws) -> str:
    """Gold reasoning, one line a step, that ends in "\\nTherefore, the answer is: ANSWER".

    Args:
        question: whose template says what is computed.
        numbers: role -> number.
        annotation: "clean": one form of sentence and one phrase a role. "mixed": 60 % free sentences (any phrase and
            form, sums and products turned around with probability 0.3), the others evenly bare equations, spoken
            equations ("17 minus 5 is 12."), and one expression.
        draws: for the choices of a mixed hand.
    """
    values = compute(question.template.steps, numbers)
    if values is None:
        raise ValueError(f"these numbers do not suit template {question.template.name}: {dict(numbers)}")
    steps = question.template.steps
    if annotation == "clean":
        lines = [_sentence(step, values, _FORMS[0], PHRASES[step.result][0], question.things) for step in steps]
    elif draws.chance(_SENTENCES):
        openings = [_FIRST_OPENINGS] + [_LATER_OPENINGS] * (len(steps) - 1)
        lines = [_free_sentence(*pair, values, question.things, draws) for pair in zip(steps, openings, strict=True)]
    else:
        lines = draws.choice((_equations, _spoken, _expression))(steps, values)
    return "\n".join([*lines, f"Therefore, the answer is: {values[steps[-1].result]}"])


def _sentence(step: Step, values: Mapping[str, int], form: str, phrase: str, things: str) -> str:
    text = form.format(
        phrase=phrase.format(things=things), formula=formula(step, _written(values)), value=values[step.result]
    )
    return text[0].upper() + text[1:]


def _free_sentence(step: Step, openings: tuple[str, ...], values: Mapping[str, int], things: str, draws: Draws) -> str:
    form = draws.choice(openings) + draws.choice(_FORMS)
    turned = commuted(step) if draws.chance(_COMMUTED) else step
    return _sentence(turned, values, form, draws.choice(PHRASES[step.result]), things)


def _equations(steps: tuple[Step, ...], values: Mapping[str, int]) -> list[str]:
    return [f"{formula(step, _written(values))} = {values[step.result]}" for step in steps]


def _spoken(steps: tuple[Step, ...], values: Mapping[str, int]) -> list[str]:
    lines = []
    for step in steps:
        left, operator, right = formula(step, _written(values)).split()
        lines.append(f"{left} {_SPOKEN[operator]} {right} is {values[step.result]}.")
    return lines


def _expression(steps: tuple[Step, ...], values: Mapping[str, int]) -> list[str]:
    return [f"{nested(steps, _written(values))} = {values[steps[-1].result]}"]


def _written(values: Mapping[str, int]) -> dict[str, str]:
    return {role: str(value) for role, value in values.items()}
