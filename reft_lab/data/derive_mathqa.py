"""A program from MathQA's linear_formula: `divide(n0,const_100)|multiply(n1,#0)`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reft_lab.data import calculation
from reft_lab.data.mathqa_operations import OPERATIONS, Operation, constant
from reft_lab.data.options import split_question
from reft_lab.data.program_text import Names, program
from reft_lab.data.records import Record, Unusable

_CALL = re.compile(r"\s*(\w+)\s*\(([^()]*)\)\s*")
_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?|\.\d+")


@dataclass(frozen=True, slots=True)
class _Call:
    operation: Operation
    operands: tuple[str, ...]


def derive(record: Record) -> str:
    """The program that does one operation of `record.formula` a line, leaving out those that nothing builds on.

    n0, n1, ... are the question's numbers in order, #0, #1, ... earlier results, const_... constants.

    Raises:
        Unusable: there is no formula, or it cannot be read, or it names a number that the question lacks.
    """
    calls = _calls(record.formula or "")
    question, _ = split_question(record.question) if record.options else (record.question, ())
    numbers = [calculation.literal(number.replace(",", "")) for number in _NUMBER.findall(question)]
    names = Names()
    named: dict[int, str] = {}
    lines: list[str] = []
    for index in _needed(calls):
        call = calls[index]
        operands = [_operand(text, numbers, named) for text in call.operands]
        named[index] = names.new(call.operation.result)
        lines.append(f"{named[index]} = {_unwrap(call.operation.expression.format(*operands))}")
    if any("math." in line for line in lines):
        lines.insert(0, "import math")
    return program(record.question, lines, named[len(calls) - 1])


def _calls(formula: str) -> list[_Call]:
    calls: list[_Call] = []
    for text in filter(str.strip, formula.split("|")):
        match = _CALL.fullmatch(text)
        if match is None:
            raise Unusable("whose formula cannot be read")
        operation = OPERATIONS.get(match[1])
        operands = tuple(operand.strip() for operand in match[2].split(","))
        if operation is None or len(operands) != operation.operands:
            raise Unusable("whose formula has an unknown operation")
        calls.append(_Call(operation, operands))
    if not calls:
        raise Unusable("without a formula")
    return calls


def _needed(calls: list[_Call]) -> list[int]:
    """Indices of the operations that the last one builds on, itself included."""
    needed = {len(calls) - 1}
    for index in reversed(range(len(calls))):
        if index in needed:
            for operand in calls[index].operands:
                if operand.startswith("#"):
                    if not operand[1:].isdigit() or int(operand[1:]) >= index:
                        raise Unusable("whose formula cannot be read")
                    needed.add(int(operand[1:]))
    return sorted(needed)


def _operand(text: str, numbers: list[str], named: dict[int, str]) -> str:
    if text.startswith("#"):
        return named[int(text[1:])]
    if re.fullmatch(r"n\d+", text):
        if int(text[1:]) >= len(numbers):
            raise Unusable("whose formula names a number that the question lacks")
        return numbers[int(text[1:])]
    value = constant(text)
    if value is None:
        raise Unusable("whose formula cannot be read")
    return value


def _unwrap(expression: str) -> str:
    """`math.factorial(int(5))` without the conversion that a whole number does not need."""
    return re.sub(r"\bint\((\d+)\)", r"\1", expression)
