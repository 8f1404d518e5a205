"""A program from a calculation: SVAMP's Equation, `( ( 8.0 + 3.0 ) - 2.0 )`, or ASDiv's Formula, `7+2=9`."""

from __future__ import annotations

import re

from reft_lab.data.problem import Record, Unusable
from reft_lab.data.program_text import Names, evaluate, is_number, literal, name_of, program, spaced, tokenize

_ASKED = re.compile(r"\bhow (?:many|much)\b", re.IGNORECASE)


def derive(record: Record) -> str:
    """The program that does one operation of `record.formula` per line; the last is named for what is asked.

    Raises:
        Unusable: there is no equation, or it is not a plain calculation.
    """
    if record.formula is None:
        raise Unusable("without an equation")
    names = Names()
    lines: list[str] = []
    stack: list[list[str]] = [[]]
    for part in _calculation(record.formula):
        if part == "(":
            stack.append([])
        elif part == ")":
            inner = stack.pop()
            stack[-1].append(_assign(inner, f"step_{len(lines) + 1}", names, lines))
        else:
            stack[-1].append(literal(part) if is_number(part) else part)
    last = _assign(stack[0], f"step_{len(lines) + 1}", names, lines)
    if lines:
        asked = names.new(_asked_for(record.question))
        lines[-1] = lines[-1].replace(f"{last} = ", f"{asked} = ", 1)
        last = asked
    return program(record.question, lines, last)


def _calculation(formula: str) -> list[str]:
    """The tokens of a calculation, or of that side of an equation (`7+2=9`, `x = 7+2`) that is one."""
    sides = [tokenize(side) for side in formula.split("=")]
    for parts in sides:
        if parts and evaluate(parts) is not None and (len(parts) > 1 or len(sides) == 1):
            return parts
    raise Unusable("whose equation is not a plain calculation")


def _assign(parts: list[str], name: str, names: Names, lines: list[str]) -> str:
    """Assign a calculation to a new name and return the name; a single number stands for itself."""
    if len(parts) == 1:
        return parts[0]
    name = names.new(name)
    lines.append(f"{name} = {spaced(parts)}")
    return name


def _asked_for(question: str) -> str:
    """What a question asks about ("How many pencils does ...": pencils)."""
    asked = _ASKED.search(question)
    return (name_of("", question[asked.end() :]) if asked else None) or "answer"
