"""What a question template is: a story that asks for one computation."""

from __future__ import annotations

from dataclasses import dataclass, field

LOWEST, HIGHEST = 3, 30
"""Range of the numbers in a question. They start above 2, so that a literal 2 ("twice") is never one of them."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a computation.

    Attributes:
        result: the role that the value plays.
        left, right: a given role, the result of an earlier step, or a whole number written out ("2").
        operator: + - * or / (divisions always come out even).
    """

    result: str
    left: str
    operator: str
    right: str


@dataclass(frozen=True, slots=True)
class Template:
    """A story and the computation that it asks for.

    Attributes:
        name: for people and tests.
        steps: the computation; the result of the last step is the answer.
        sentences: the story, the question last. Roles in braces are the numbers given; the other words in braces are
            filled in by `question`: people {a} {b} {c}, {He} {he} for a, {things}, two kinds of container
            {boxes} {box} and {bags} {bag}, and verbs {gained} {gain} {parted} {part_with}.
        largest: largest value of a given role where HIGHEST is too large.
        larger: pairs of roles whose first must exceed the second, where the steps do not already ask for it.
    """

    name: str
    steps: tuple[Step, ...]
    sentences: tuple[str, ...]
    largest: dict[str, int] = field(default_factory=dict)
    larger: tuple[tuple[str, str], ...] = ()

    @property
    def givens(self) -> list[str]:
        """The roles that a question states, in the order in which the steps first use them."""
        results = {step.result for step in self.steps}
        operands = [operand for step in self.steps for operand in (step.left, step.right)]
        return [o for o in dict.fromkeys(operands) if o not in results and not o.isdecimal()]


def steps(text: str) -> tuple[Step, ...]:
    """Read "sum = first + second; left = sum - gone"."""
    parts = [line.split() for line in text.split(";")]
    return tuple(Step(result, left, operator, right) for result, _, left, operator, right in parts)
