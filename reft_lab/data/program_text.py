"""How a derived program is written: the function around it, its calculations, and the names of its results."""

from __future__ import annotations

import ast
import builtins
import keyword
import math
import operator
import re
from collections.abc import Callable, Sequence
from decimal import Decimal

_RESERVED = frozenset(keyword.kwlist) | frozenset(dir(builtins)) | {"math", "result", "solution"}


def program(question: str, lines: Sequence[str], result: str) -> str:
    """The whole text of `solution`: the question as docstring, `lines`, and `result` returned."""
    body = [f'"""{docstring(question)}"""', *lines, f"result = {result}", "return result"]
    return "def solution():\n    " + "\n    ".join(body)


def docstring(text: str) -> str:
    r'''`text` as it stands between triple quotes: backslashes, `"""` and a closing quote escaped.'''
    return re.sub(r'"(?=""|\Z)', r"\"", text.replace("\\", "\\\\"))


class Names:
    """Hands out variable names for one program: valid, and each only once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def new(self, wanted: str) -> str:
        """`wanted` as a valid name, or `wanted_2`, `wanted_3`, ... where that is taken."""
        stem = re.sub(r"\W+", "_", wanted.lower(), flags=re.ASCII).strip("_") or "step"
        if stem[0].isdigit() or stem in _RESERVED:
            stem = f"num_{stem}"
        name, number = stem, 2
        while name in self._taken:
            name, number = f"{stem}_{number}", number + 1
        self._taken.add(name)
        return name


OPERATORS = ("+", "-", "*", "/", "//")
_TOKEN = re.compile(r"\s*(\d+\.?\d*|\.\d+|//|[-+*/()])")
_VALUE: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}


def tokenize(expression: str) -> list[str] | None:
    """Numbers, operators and parentheses of a calculation; None where it holds anything else."""
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
    """An unsigned number as people write it and Python reads it: `05` -> `5`, `.6` -> `0.6`, `8.0` -> `8`."""
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


def evaluate(parts: Sequence[str]) -> float | None:
    """The value of a calculation; None where it is malformed or divides by zero."""
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
    raise ValueError("not a plain calculation")


_WORD = re.compile(r"[A-Za-z][A-Za-z']*")
_CLAUSE_END = re.compile(r"[.,;:!?()=+*/<>\n\d-]")
# Words that end the name of what is counted ("24 clips in May"), words that name nothing, and words that are too
# little for a name ("5 more").
_ENDING = """
    a after all also an and as at because before both but by during each every from he her his how i if is it its it's
    more my on or our she since so than that the their then there they this those to was we were when where which
    while who will with would you your are be been can had has have did does do needs need in for
"""
_EMPTY = """
    a an the of for to in on at by is are was were be been being has have had would will can could should did does do
    so then thus therefore hence now this that that's these those there it it's he she they we you i his her their
    its my our and but or with each every all only just also first next finally since because if when after before as
    which who get gets got make makes made left worth more than from find need needs means altogether total another
    per x
"""
_ENDS_A_NAME = frozenset(_ENDING.split())
_LEADING = frozenset(_EMPTY.split())
_WEAK = frozenset({"left", "more", "total", "altogether", "each", "remaining", "extra", "worth", "away"})
_MOST_WORDS = 3


def name_of(before: str, after: str) -> str | None:
    """A name for the number between `before` and `after` in a text; None where they suggest none.

    What follows a number usually says what it counts ("24 clips in May": clips); otherwise the words before it do
    ("The total cost is": total_cost).
    """
    following = _following(after)
    if following and not set(following) <= _WEAK:
        return "_".join(following)
    leading = _leading(before)
    if leading:
        return "_".join(leading)
    return "_".join(following) if following else None


def _following(after: str) -> list[str]:
    end = _CLAUSE_END.search(after)
    words = [_plain(word) for word in _WORD.findall(after[: end.start()] if end else after)]
    name: list[str] = []
    for word in words:
        if word in _ENDS_A_NAME:
            if name:
                break
            if word not in _LEADING:
                return []
            continue
        name.append(word)
        if len(name) == _MOST_WORDS:
            break
    while name and name[-1] in ("of", "per"):
        name.pop()
    return name[1:] if name and name[0] == "of" else name


def _leading(before: str) -> list[str]:
    clause = re.split(r"[.,;:!?\n]\s", before.rstrip(" $=€£"))[-1]
    words = [_plain(word) for word in _WORD.findall(clause)]
    return [word for word in words if word not in _LEADING and len(word) > 1][-_MOST_WORDS:]


def _plain(word: str) -> str:
    """In lower case, without possessive endings and apostrophes."""
    word = word.lower()
    return word.removesuffix("'s").replace("'", "")
