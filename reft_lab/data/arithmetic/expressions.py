"""Steps written out with names or numbers in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reft_lab.data.arithmetic.template import Step

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
