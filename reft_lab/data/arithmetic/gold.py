"""Gold reasoning for a question, in the styles of many annotators or in one clean style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reft_lab.data.arithmetic.question import Draws, Question, compute
from reft_lab.data.arithmetic.templates import Step

_BINDING = {"+": 1, "-": 1, "*": 2, "/": 2}


def formula(step: Step, names: Mapping[str, str]) -> str:
    """The right-hand side of a step: "num_start - num_gone". An operand that is a constant stands for itself."""
    return f"{names.get(step.left, step.left)} {step.operator} {names.get(step.right, step.right)}"


def commuted(step: Step) -> Step:
    """A sum or a product with its operands exchanged; any other step as it is."""
    return replace(step, left=step.right, right=step.left) if step.operator in "+*" else step


def nested(steps: Sequence[Step], names: Mapping[str, str]) -> str:
    """All steps as one expression, with as few parentheses as keep its shape: "(17 + 5) / 2"."""
    written: dict[str, tuple[str, int]] = {}
    for step in steps:
        binding = _BINDING[step.operator]
        left, left_binding = written.get(step.left, (names.get(step.left, step.left), 3))
        right, right_binding = written.get(step.right, (names.get(step.right, step.right), 3))
        left = f"({left})" if left_binding < binding else left
        right = f"({right})" if right_binding <= binding else right
        written[step.result] = (f"{left} {step.operator} {right}", binding)
    return written[steps[-1].result][0]


SYNONYMS: dict[str, tuple[str, ...]] = {
    "start": ("start", "{things}", "initial", "before"),
    "got": ("got", "bought", "new", "added"),
    "gone": ("gone", "given", "lost", "used"),
    "later": ("later", "after", "second"),
    "end": ("end", "now", "current"),
    "first": ("first", "{things}", "one"),
    "second": ("second", "other", "two"),
    "more": ("more", "difference", "extra"),
    "groups": ("groups", "parts", "sets"),
    "each": ("each", "inside", "per_group"),
    "stacks": ("stacks", "piles", "others"),
    "size": ("size", "content", "per_stack"),
    "extra": ("extra", "loose", "more"),
    "friends": ("friends", "people", "shares"),
    "whole": ("whole", "{things}", "full"),
    "other": ("other", "theirs", "next_one"),
    "sum": ("both", "combined", "joined"),
    "total": ("total", "altogether", "in_all"),
    "rest": ("rest", "middle", "kept"),
    "left": ("left", "remaining", "final"),
    "packed": ("packed", "product", "filled"),
    "stacked": ("stacked", "piled", "stored"),
    "double": ("double", "twice", "doubled"),
    "part": ("part", "share", "portion"),
    "packs": ("packs", "needed", "units"),
}
"""Names that annotators give to a role; the clean style uses the first. {things} is what the question counts."""

_NAMED, _SHUFFLED, _COMMUTED, _NAMED_RESULT = 0.60, 0.30, 0.30, 0.50
_PREFIXES = ("num_", "n_", "")
_LETTERS = "abcdefgh"


def write_program(question: Question, numbers: Mapping[str, int], annotation: str, draws: Draws) -> str:
    """A gold program with literal numbers.

    Args:
        question: whose template says what is computed, and whose text becomes the docstring.
        numbers: role -> number.
        annotation: "clean": one name for each role, in the order of the question, the last step in `result`.
            "mixed": 60 % named variables (any prefix and synonym, 30 % with the assignments shuffled, sums and products
            turned around with probability 0.3); the rest evenly letters, inline steps, and one expression.
        draws: for the choices of the mixed styles.
    """
    if annotation == "clean":
        lines = _clean(question, numbers)
    else:
        style = _named if draws.chance(_NAMED) else draws.choice((_letters, _inline, _expression))
        lines = style(question, numbers, draws)
    text = question.text.format_map(numbers)
    return "\n    ".join(["def solution():", f'"""{text}"""', *lines, "return result"])


def _clean(question: Question, numbers: Mapping[str, int]) -> list[str]:
    names = {role: f"num_{SYNONYMS[role][0]}" for role in _all_roles(question)}
    return _assignments(_givens(question), names, numbers) + _steps(question.template.steps, names)


def _named(question: Question, numbers: Mapping[str, int], draws: Draws) -> list[str]:
    names = _draw_names(question, draws)
    givens = _givens(question)
    if draws.chance(_SHUFFLED):
        givens = draws.sample(givens, len(givens))
    steps = [commuted(step) if draws.chance(_COMMUTED) else step for step in question.template.steps]
    lines = _assignments(givens, names, numbers)
    if draws.chance(_NAMED_RESULT):
        return lines + _steps(steps, names, last=names[steps[-1].result]) + [f"result = {names[steps[-1].result]}"]
    return lines + _steps(steps, names)


def _letters(question: Question, numbers: Mapping[str, int], draws: Draws) -> list[str]:
    givens = _givens(question)
    results = [step.result for step in question.template.steps]
    names = dict(zip([*givens, *results], _LETTERS, strict=False))
    return _assignments(givens, names, numbers) + _steps(question.template.steps, names)


def _inline(question: Question, numbers: Mapping[str, int], draws: Draws) -> list[str]:
    names = _written(numbers) | {step.result: f"step_{i}" for i, step in enumerate(question.template.steps, 1)}
    return _steps(question.template.steps, names)


def _expression(question: Question, numbers: Mapping[str, int], draws: Draws) -> list[str]:
    return [f"result = {nested(question.template.steps, _written(numbers))}"]


def _givens(question: Question) -> list[str]:
    """The given roles in the order of the question, without distractors."""
    givens = question.template.givens
    return [role for role in question.roles if role in givens]


def _all_roles(question: Question) -> list[str]:
    return _givens(question) + [step.result for step in question.template.steps]


def _draw_names(question: Question, draws: Draws) -> dict[str, str]:
    prefix = draws.choice(_PREFIXES)
    names: dict[str, str] = {}
    for role in _all_roles(question):
        synonyms = [prefix + synonym.format(things=question.things) for synonym in SYNONYMS[role]]
        names[role] = draws.choice([name for name in synonyms if name not in names.values()])
    return names


def _assignments(givens: Sequence[str], names: Mapping[str, str], numbers: Mapping[str, int]) -> list[str]:
    return [f"{names[role]} = {numbers[role]}" for role in givens]


def _steps(steps: Sequence[Step], names: Mapping[str, str], last: str = "result") -> list[str]:
    targets = [names[step.result] for step in steps[:-1]] + [last]
    return [f"{target} = {formula(step, names)}" for target, step in zip(targets, steps, strict=True)]


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
"""Ways to name what a step finds; the clean style uses the first. {things} is what the question counts."""

_SENTENCES = 0.60
_FIRST_OPENINGS = ("First, ", "To begin, ", "")
_LATER_OPENINGS = ("Then ", "Next, ", "So ", "")
_FORMS = (
    "{phrase} is {formula} = {value}.",
    "we find {phrase}: {formula} = {value}.",
    "{formula} = {value} is {phrase}.",
)
_SPOKEN = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}


def write_natural(question: Question, numbers: Mapping[str, int], annotation: str, draws: Draws) -> str:
    """Gold reasoning, one line for each step, that ends in "\\nTherefore, the answer is: ANSWER".

    Args:
        question: whose template says what is computed.
        numbers: role -> number.
        annotation: "clean": one form of sentence and one phrase for each role. "mixed": 60 % free sentences (any phrase
            and form, sums and products turned around with probability 0.3); the rest evenly bare equations, spoken
            equations ("17 minus 5 is 12."), and one expression.
        draws: for the choices of the mixed styles.
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
        lines = draws.choice((_equations, _spoken, _one_equation))(steps, values)
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


def _one_equation(steps: tuple[Step, ...], values: Mapping[str, int]) -> list[str]:
    return [f"{nested(steps, _written(values))} = {values[steps[-1].result]}"]


def _written(values: Mapping[str, int]) -> dict[str, str]:
    return {role: str(value) for role, value in values.items()}
