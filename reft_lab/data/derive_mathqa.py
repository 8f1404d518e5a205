"""A program from MathQA's `linear_formula`: `divide(n0,const_100)|multiply(n1,#0)`.

The names of operations and constants are those of the data set (Amini et al. 2019, arXiv 1905.13319); what each of
them computes follows its name and the solutions in which it appears."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reft_lab.data.options import split_question
from reft_lab.data.problem import Record, Unusable
from reft_lab.data.program_text import Names, literal, program

PI = "math.pi"


@dataclass(frozen=True, slots=True)
class Operation:
    """Python with {0}, {1}, ... for the operands, each a single name or number, and what to call the result."""

    operands: int
    expression: str
    result: str


OPERATIONS: dict[str, Operation] = {
    "add": Operation(2, "{0} + {1}", "total"),
    "subtract": Operation(2, "{0} - {1}", "difference"),
    "multiply": Operation(2, "{0} * {1}", "product"),
    "divide": Operation(2, "{0} / {1}", "quotient"),
    "power": Operation(2, "{0} ** {1}", "power"),
    "sqrt": Operation(1, "math.sqrt({0})", "root"),
    "inverse": Operation(1, "1 / {0}", "inverse"),
    "negate": Operation(1, "-{0}", "negative"),
    "negate_prob": Operation(1, "1 - {0}", "probability"),
    "log": Operation(1, "math.log({0})", "logarithm"),
    "floor": Operation(1, "math.floor({0})", "whole"),
    "max": Operation(2, "max({0}, {1})", "larger"),
    "min": Operation(2, "min({0}, {1})", "smaller"),
    "reminder": Operation(2, "{0} % {1}", "remainder"),
    "factorial": Operation(1, "math.factorial(int({0}))", "factorial"),
    "choose": Operation(2, "math.comb(int({0}), int({1}))", "combinations"),
    "permutation": Operation(2, "math.perm(int({0}), int({1}))", "permutations"),
    "gcd": Operation(2, "math.gcd(int({0}), int({1}))", "common_divisor"),
    "lcm": Operation(2, "math.lcm(int({0}), int({1}))", "common_multiple"),
    "sine": Operation(1, "math.sin(math.radians({0}))", "sine"),
    "cosine": Operation(1, "math.cos(math.radians({0}))", "cosine"),
    "tangent": Operation(1, "math.tan(math.radians({0}))", "tangent"),
    "degree_to_radians": Operation(1, "math.radians({0})", "angle"),
    "radians_to_degree": Operation(1, "math.degrees({0})", "angle"),
    "speed": Operation(2, "{0} / {1}", "speed"),
    "speed_ratio_steel_to_stream": Operation(2, "({0} + {1}) / ({0} - {1})", "ratio"),
    "speed_in_still_water": Operation(2, "({0} + {1}) / 2", "speed"),
    "stream_speed": Operation(2, "({0} - {1}) / 2", "stream_speed"),
    "p_after_gain": Operation(2, "(1 + {0} / 100) * {1}", "price"),
    "gain_percent": Operation(2, "({1} - {0}) / {0} * 100", "gain"),
    "original_price_before_gain": Operation(2, "{1} * 100 / (100 + {0})", "price"),
    "original_price_before_loss": Operation(2, "{1} * 100 / (100 - {0})", "price"),
    "square_area": Operation(1, "{0} ** 2", "area"),
    "square_perimeter": Operation(1, "4 * {0}", "perimeter"),
    "square_edge_by_area": Operation(1, "math.sqrt({0})", "edge"),
    "square_edge_by_perimeter": Operation(1, "{0} / 4", "edge"),
    "rectangle_area": Operation(2, "{0} * {1}", "area"),
    "rectangle_perimeter": Operation(2, "2 * ({0} + {1})", "perimeter"),
    "diagonal": Operation(2, "math.sqrt({0} ** 2 + {1} ** 2)", "diagonal"),
    "triangle_area": Operation(2, "{0} * {1} / 2", "area"),
    "triangle_perimeter": Operation(3, "{0} + {1} + {2}", "perimeter"),
    "triangle_area_three_edges": Operation(
        3,
        "math.sqrt(({0} + {1} + {2}) * (-{0} + {1} + {2}) * ({0} - {1} + {2}) * ({0} + {1} - {2})) / 4",
        "area",
    ),
    "rhombus_area": Operation(2, "{0} * {1} / 2", "area"),
    "rhombus_perimeter": Operation(1, "4 * {0}", "perimeter"),
    "quadrilateral_area": Operation(3, "{0} * ({1} + {2}) / 2", "area"),
    "circle_area": Operation(1, f"{PI} * {{0}} ** 2", "area"),
    "circumface": Operation(1, f"2 * {PI} * {{0}}", "circumference"),
    "semi_circle_perimiter": Operation(1, f"({PI} + 2) * {{0}}", "perimeter"),
    "volume_cube": Operation(1, "{0} ** 3", "volume"),
    "surface_cube": Operation(1, "6 * {0} ** 2", "surface"),
    "cube_edge_by_volume": Operation(1, "{0} ** (1 / 3)", "edge"),
    "volume_rectangular_prism": Operation(3, "{0} * {1} * {2}", "volume"),
    "surface_rectangular_prism": Operation(3, "2 * ({0} * {1} + {0} * {2} + {1} * {2})", "surface"),
    "volume_cylinder": Operation(2, f"{PI} * {{0}} ** 2 * {{1}}", "volume"),
    "surface_cylinder": Operation(2, f"2 * {PI} * {{0}} * ({{0}} + {{1}})", "surface"),
    "volume_cone": Operation(2, f"{PI} * {{0}} ** 2 * {{1}} / 3", "volume"),
    "volume_sphere": Operation(1, f"4 / 3 * {PI} * {{0}} ** 3", "volume"),
    "surface_sphere": Operation(1, f"4 * {PI} * {{0}} ** 2", "surface"),
}
_NAMED_CONSTANTS = {"const_pi": PI, "const_deg_to_rad": "0.0174532925"}


def constant(name: str) -> str | None:
    """The Python of a constant (`const_100` -> 100, `const_0_25` -> 0.25, `const_pi` -> math.pi); None for others."""
    if name in _NAMED_CONSTANTS:
        return _NAMED_CONSTANTS[name]
    match = re.fullmatch(r"const_(\d+)(?:[._](\d+))?", name)
    if match is None:
        return None
    whole, fraction = match[1], (match[2] or "").rstrip("0")
    return f"{int(whole)}.{fraction}" if fraction else str(int(whole))


_CALL = re.compile(r"\s*(\w+)\s*\(([^()]*)\)\s*")
_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?|\.\d+")


_Call = tuple[Operation, list[str]]  # with its operands


def derive(record: Record) -> str:
    """The program that does one operation of `record.formula` per line, without those that nothing builds on.

    n0, n1, ... are the question's numbers in order, #0, #1, ... earlier results, const_... constants.

    Raises:
        Unusable: there is no formula, or it cannot be read, or it refers to a number that the question lacks.
    """
    calls = _calls(record.formula or "")
    question, _ = split_question(record.question) if record.options else (record.question, ())
    numbers = [literal(number.replace(",", "")) for number in _NUMBER.findall(question)]
    names = Names()
    named: dict[int, str] = {}
    lines: list[str] = []
    for index in _needed(calls):
        operation, texts = calls[index]
        expression = operation.expression.format(*(_operand(text, numbers, named) for text in texts))
        named[index] = names.new(operation.result)
        # A whole number needs no conversion: math.factorial(int(5)).
        expression = re.sub(r"\bint\((\d+)\)", r"\1", expression)
        lines.append(f"{named[index]} = {expression}")
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
        operands = [operand.strip() for operand in match[2].split(",")]
        if operation is None or len(operands) != operation.operands:
            raise Unusable("whose formula has an unknown operation")
        calls.append((operation, operands))
    if not calls:
        raise Unusable("without a formula")
    return calls


def _needed(calls: list[_Call]) -> list[int]:
    """Indices of the operations that the last one builds on, itself included."""
    needed = {len(calls) - 1}
    for index in reversed(range(len(calls))):
        if index in needed:
            for operand in calls[index][1]:
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
