"""Programs that give an answer without working it out from the question, found by reading them; nothing is run."""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence

WRITTEN_DOWN, IGNORES = "written_down", "ignores_numbers"
SHORTCUTS = (WRITTEN_DOWN, IGNORES)

_SLOT = re.compile(r"x\d+")
_SAME = frozenset({"int", "float", "round", "str", "abs"})  # calls that hand a number on
_WORDS = {
    "zero": (0,), "one": (1,), "two": (2,), "three": (3,), "four": (4,), "five": (5,), "six": (6,), "seven": (7,),
    "eight": (8,), "nine": (9,), "ten": (10,), "eleven": (11,), "twelve": (12,), "thirteen": (13,), "fourteen": (14,),
    "fifteen": (15,), "sixteen": (16,), "seventeen": (17,), "eighteen": (18,), "nineteen": (19,), "twenty": (20,),
    "thirty": (30,), "forty": (40,), "fifty": (50,), "sixty": (60,), "seventy": (70,), "eighty": (80,),
    "ninety": (90,), "hundred": (100,), "thousand": (1000,), "million": (1e6,), "dozen": (12,), "dozens": (12,),
    "half": (0.5, 2), "twice": (2,), "double": (2,), "triple": (3,), "thrice": (3,), "third": (1 / 3, 3),
    "quarter": (0.25, 4), "fourth": (0.25, 4), "fifth": (0.2, 5), "tenth": (0.1, 10), "couple": (2,), "pair": (2,),
}  # fmt: skip
_WORD = re.compile(r"[a-z]+")


def shortcut(program: str, question: str, numbers: Sequence[float]) -> str | None:
    """How a program comes by its answer without the question, None where it seems to use the question.

    `written_down`: what it returns is a literal (`return 42`), perhaps by way of names, `int` or `+ 0`, and the
    question does not hold that number. `ignores_numbers`: it computes, but nothing that its result depends on is a
    number of the question, as it stands, in words (three, half), as a percentage (0.2, 0.8 and 1.2 for 20 %), or as an
    argument of `solution`.

    It errs on the side of the program: helpers, loops and conditions count as used wherever a result may depend on
    them, and a question without numbers, or a program that cannot be parsed, is never called a shortcut.

    Args:
        program: the whole program, with its `def solution(...)` line.
        question: what was asked, without options.
        numbers: the numbers in it (`cot.slots.slot_question`).
    """
    function, helpers = _solution(program)
    if function is None or not (numbers or _in_words(question)):
        return None
    given = {argument.arg for argument in function.args.args}
    body = _Body(function, helpers, given)
    held = _derived([*numbers, *_in_words(question)])
    literals = [body.literal(each) for each in body.returns]
    if literals and None not in literals:
        named = any(isinstance(each, float) and _is_in(each, held) for each in literals)
        return None if named else WRITTEN_DOWN
    names, constants = body.reaches()
    uses = bool(names & given) or any(_is_in(value, held) for value in constants)
    return None if uses or not body.returns else IGNORES


def _solution(program: str) -> tuple[ast.FunctionDef | None, dict[str, ast.AST]]:
    """The function `solution`, and what else is defined at the top, by name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(program)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None, {}
    found: ast.FunctionDef | None = None
    others: dict[str, ast.AST] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "solution":
            found = found or node
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            others[node.name] = node
        else:
            others |= dict.fromkeys(_targets(node), node)
    return found, others


class _Body:
    """The body of `solution`: what is assigned to each name, and what is returned."""

    def __init__(self, function: ast.FunctionDef, helpers: dict[str, ast.AST], given: set[str]):
        self.returns: list[ast.expr] = []
        self._given, self._helpers = given, helpers
        self._assigned: dict[str, list[ast.AST]] = {}
        self._conditions: list[ast.AST] = []  # what decides which statements run
        for node in _inside(function):
            if isinstance(node, ast.Return) and node.value is not None:
                self.returns.append(node.value)
            elif isinstance(node, ast.If | ast.While):
                self._conditions.append(node.test)
            elif isinstance(node, ast.Match):
                self._conditions.append(node.subject)
            for name in _targets(node):
                self._assigned.setdefault(name, []).append(node)

    def literal(self, node: ast.AST, seen: frozenset[str] = frozenset()) -> float | str | None:
        """The literal that an expression stands for; None where something is computed, or given, on the way."""
        match node:
            case ast.Constant(value=bool() | None):
                return None
            case ast.Constant(value=int() | float() as number):
                return float(number) if abs(number) < 1e300 else None
            case ast.Constant(value=str() as text):
                return text
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=inner):
                value = self.literal(inner, seen)
                return -value if isinstance(value, float) and isinstance(sign, ast.USub) else value
            case ast.Call(func=ast.Name(id=name), args=[first, *_]) if name in _SAME:
                return self.literal(first, seen)
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=ast.Constant(value=0)):
                return self.literal(left, seen)
            case ast.BinOp(left=left, op=ast.Mult() | ast.Div(), right=ast.Constant(value=1)):
                return self.literal(left, seen)
            case ast.Name(id=name) if name not in self._given and name not in seen:
                assigned = self._assigned.get(name, [])
                if len(assigned) == 1 and isinstance(assigned[0], ast.Assign | ast.AnnAssign):
                    value_of = assigned[0].value
                    plain = not isinstance(assigned[0], ast.Assign) or all(
                        isinstance(target, ast.Name) for target in assigned[0].targets
                    )
                    return self.literal(value_of, seen | {name}) if plain and value_of is not None else None
        return None

    def reaches(self) -> tuple[set[str], list[float]]:
        """Names and numbers that what is returned may depend on."""
        names: set[str] = set()
        constants: list[float] = []
        waiting: list[ast.AST] = [*self.returns, *self._conditions]
        while waiting:
            for node in ast.walk(waiting.pop()):
                if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
                    if abs(node.value) < 1e300:
                        constants.append(float(node.value))
                elif isinstance(node, ast.Name) and node.id not in names:
                    names.add(node.id)
                    waiting += self._assigned.get(node.id, [])
                    if node.id in self._helpers:
                        waiting.append(self._helpers[node.id])
        return names, constants


def _inside(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """The nodes of a function, without those of functions in it, whose definitions are given as a whole."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            waiting += ast.iter_child_nodes(node)


def _targets(node: ast.AST) -> set[str]:
    """Names that a statement gives a value to."""
    match node:
        case ast.Assign(targets=targets):
            places: Sequence[ast.AST] = targets
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target) | ast.NamedExpr(target=target):
            places = [target]
        case ast.For(target=target) | ast.comprehension(target=target):
            places = [target]
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name)))):
            return {name}  # total.append(3)
        case _:
            return set()
    return {inner.id for place in places for inner in ast.walk(place) if isinstance(inner, ast.Name)}


def _in_words(question: str) -> list[float]:
    return [value for word in _WORD.findall(question.lower()) for value in _WORDS.get(word, ())]


def _derived(numbers: Iterable[float]) -> list[float]:
    """The numbers of a question, and what people write for them where they are percentages."""
    return [same for n in numbers for same in (n, n / 100, 1 - n / 100, 1 + n / 100)]


def _is_in(value: float, held: Iterable[float]) -> bool:
    return any(math.isclose(value, each, rel_tol=1e-9, abs_tol=1e-12) for each in held)
