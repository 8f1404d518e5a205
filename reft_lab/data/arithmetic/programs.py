"""Gold programs, in the hands of many annotators or in one clean hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from reft_lab.data.arithmetic.draws import Draws
from reft_lab.data.arithmetic.expressions import commuted, formula, nested
from reft_lab.data.arithmetic.question import Question
from reft_lab.data.arithmetic.template import Step

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
"""Names that annotators give to a role; the clean hand uses the first. {things} is what the question counts."""

_NAMED, _SHUFFLED, _COMMUTED, _NAMED_RESULT = 0.60, 0.30, 0.30, 0.50
_PREFIXES = ("num_", "n_", "")
_LETTERS = "abcdefgh"


def write_program(question: Question, numbers: Mapping[str, int], annotation: str, draws: Draws) -> str:
    """A gold program with literal numbers.

    Args:
        question: whose template says what is computed, and whose text becomes the docstring.
        numbers: role -> number.
        annotation: "clean": variables with one name a role, in the order of the question, the last step in `result`.
            "mixed": 60 % named variables (any prefix and synonym, 30 % with the assignments shuffled, sums and products
            turned around with probability 0.3), the others evenly letters, inline steps, and one expression.
        draws: for the choices of a mixed hand.
    """
    lines = _clean(question, numbers) if annotation == "clean" else _draw_hand(draws)(question, numbers, draws)
    text = question.text.format_map(numbers)
    return "\n    ".join(["def solution():", f'"""{text}"""', *lines, "return result"])


Hand = Callable[[Question, Mapping[str, int], Draws], list[str]]


def _draw_hand(draws: Draws) -> Hand:
    return _named if draws.chance(_NAMED) else draws.choice((_letters, _inline, _expression))


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
    names = {role: str(number) for role, number in numbers.items()}
    names |= {step.result: f"step_{i}" for i, step in enumerate(question.template.steps, 1)}
    return _steps(question.template.steps, names)


def _expression(question: Question, numbers: Mapping[str, int], draws: Draws) -> list[str]:
    return [f"result = {nested(question.template.steps, {role: str(n) for role, n in numbers.items()})}"]


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
