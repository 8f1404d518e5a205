"""Numbers that make a question sensible, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reft_lab.data.arithmetic.draws import Draws
from reft_lab.data.arithmetic.template import HIGHEST, LOWEST, Step, Template


def draw_numbers(template: Template, roles: Iterable[str], draws: Draws) -> dict[str, int]:
    """A number for each of `roles`, all different, with which every step gives a whole number above 0."""
    highest = [template.largest.get(role, HIGHEST) for role in roles]
    while True:
        numbers = {role: draws.integer(LOWEST, high) for role, high in zip(roles, highest, strict=True)}
        if len(set(numbers.values())) < len(numbers):
            continue
        if any(numbers[more] <= numbers[less] for more, less in template.larger):
            continue
        if compute(template.steps, numbers) is not None:
            return numbers


def compute(steps: Iterable[Step], numbers: Mapping[str, int]) -> dict[str, int] | None:
    """The numbers together with the result of each step, or None where a result is not a whole number above 0."""
    values = dict(numbers)
    for step in steps:
        left, right = (int(o) if o.isdecimal() else values[o] for o in (step.left, step.right))
        if step.operator == "/":
            value, rest = divmod(left, right)
            if rest:
                return None
        else:
            value = {"+": left + right, "-": left - right, "*": left * right}[step.operator]
        if value <= 0:
            return None
        values[step.result] = value
    return values
