"""Plain calculations (`48/2`, `(3 + 4) * .5`): taken apart, valued, written again."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Sequence
from decimal import Decimal

OPERATORS = ("+", "-", "*", "/", "//")
_TOKEN = re.compile(r"\s*(\d+\.?\d*|\.\d+|//|[-+*/()])")
_VALUE: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}


def tokens(expression: str) -> list[str] | None:
    """Numbers, operators and parentheses of a calculation, None where anything else stands in it."""
    found: list[str] = []
    position, expression = 0, expression.strip()
    while position < len(expression):
        match = _TOKEN.match(expression, position)
        if match is None:
            return None
        found.append(match[1])
        position = match.end()
    return found


def is_number(token: str) -> bool:
    """Whether a token is a number."""
    return token[-1].isdigit() or (token[-1] == "." and len(token) > 1)


def literal(number: str) -> str:
    """An unsigned number as Python and people write it: `05` -> `5`, `.6` -> `0.6`, `8.0` -> `8`."""
    text = f"{Decimal(number):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def spaced(parts: Sequence[str]) -> str:
    """Tokens joined as a person would: `(48 - 4) / 2`, `-5 + 3`."""
    text, after_operand = "", False
    for part in parts:
        is_operator = part in OPERATORS
        text += f" {part} " if is_operator and after_operand else part
        after_operand = not is_operator and part != "("
    return text


def value(parts: Sequence[str]) -> float | None:
    """What a calculation comes to, None where it is malformed or divides by zero."""
    try:
        return _value(ast.parse(" ".join(map(_as_python, parts)), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, OverflowError, RecursionError):
        return None


def _as_python(part: str) -> str:
    return literal(part) if is_number(part) else part


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner)
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return _value(inner)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _VALUE:
            result = _VALUE[type(op)](_value(left), _value(right))
            if math.isfinite(result):
                return result
    raise ValueError("no plain calculation")
