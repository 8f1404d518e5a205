"""Number slots: the numbers of a question as x0, x1, ..., for models too small to copy numbers.

The question says x0 where it said 17, the program's signature says what x0 is, `def solution(x0=17):`, and the
program computes with x0. So a model has to learn which number to use, not how to spell it.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from reft_lab.errors import BadInput

Number = int | float

_NUMBER = re.compile(
    r"""
    (?<!\w)(?<![0-9]\.)                      # neither inside a word nor after the point of another number
    (?:
        [0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)? # 1,234 and 1,234.5
      | [0-9]+(?:\.[0-9]+)?                   # 17 and 2.5
      | (?<!\.)\.[0-9]+                       # .5
    )
    (?!\w)
    """,
    re.VERBOSE,
)
_SLOT = re.compile(r"x[0-9]")
_OPTIONS_LINE = re.compile(r"\na ?\) .*\Z")
_LONGEST = 30
"""Longest number that gets a slot, in characters; longer ones are codes, not quantities."""


@dataclass(frozen=True, slots=True)
class SlottedQuestion:
    """A question with slots.

    Attributes:
        text: the question with "x0" in place of its first number, "x1" in place of the second, and so on.
        numbers: their values, first to last. Whole numbers are int however they were written ("3.0", "1,200").
    """

    text: str
    numbers: tuple[Number, ...]


def slot_question(question: str) -> SlottedQuestion:
    """Replace the numbers of a question by slots.

    Integers, decimals and thousands (`1,234`) count, also next to signs (`$80,000` -> `$x0`, `20%` -> `x0%`); digits
    inside words (`3rd`, `B12`) and number words do not. A last line of multiple-choice options is left as it is.
    """
    options = _OPTIONS_LINE.search(question)
    end = options.start() if options else len(question)
    numbers: list[Number] = []

    def slot(match: re.Match[str]) -> str:
        if len(match[0]) > _LONGEST:
            return match[0]
        numbers.append(_value(match[0]))
        return f"x{len(numbers) - 1}"

    text = _NUMBER.sub(slot, question[:end]) + question[end:]
    return SlottedQuestion(text, tuple(numbers))


def signature(numbers: Sequence[Number]) -> str:
    """The program's first line with the numbers as defaults: `def solution(x0=17, x1=2):`."""
    return f"def solution({', '.join(f'x{i}={_written(number)}' for i, number in enumerate(numbers))}):"


def slot_program(program: str, numbers: Sequence[Number]) -> str:
    """Replace those literals in the body of `solution` that equal a number of the question by slots.

    Where a value occurs more than once in the question, its slots are used in order, and the last one for all further
    literals. Docstrings, strings, comments and formatting stay, and so do literals that are not quantities: indices,
    the digits of `round`, patterns of `match`. A name xN that the program itself uses is never a slot.

    Args:
        program: a whole program with literal numbers; its `def solution():` line stays (see `signature`).
        numbers: as from `slot_question`.

    Raises:
        BadInput: the program is not Python.
    """
    try:
        tree = ast.parse(program)
    except (SyntaxError, ValueError) as error:
        raise BadInput(f"A gold program cannot get number slots because it is not Python ({error}).") from error
    own_names = _names(tree) if _SLOT.search(program) or not program.isascii() else set()  # walking the tree is slow
    slots: defaultdict[Number, deque[str]] = defaultdict(deque)
    for i, number in enumerate(numbers):
        if f"x{i}" not in own_names:
            slots[number].append(f"x{i}")

    lines = [line.encode() for line in re.split(r"(?<=\n)|(?<=\r)(?!\n)", program)]
    edits = []
    for literal, value in sorted(_quantities(tree), key=lambda found: (found[0].lineno, found[0].col_offset)):
        queue = slots.get(value)
        if queue:
            edits.append((literal, queue.popleft() if len(queue) > 1 else queue[0]))
    for literal, slot in reversed(edits):
        line = lines[literal.lineno - 1]
        before, after = line[: literal.col_offset], line[literal.end_col_offset :]
        lines[literal.lineno - 1] = before + _apart(slot, before, after) + after
    return b"".join(lines).decode()


def _names(tree: ast.AST) -> set[str]:
    """The variables and parameters of a program."""
    nodes = list(ast.walk(tree))
    return {node.id for node in nodes if isinstance(node, ast.Name)} | {
        node.arg for node in nodes if isinstance(node, ast.arg)
    }


def _quantities(tree: ast.AST) -> Iterator[tuple[ast.Constant, Number]]:
    """The literals, with their values, in the body of `solution` that may be numbers of the question."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == "solution":
            for statement in node.body:
                yield from _numbers_in(statement)
            return


def _numbers_in(node: ast.AST) -> Iterator[tuple[ast.Constant, Number]]:
    if isinstance(node, ast.Constant):
        if isinstance(node.value, int | float) and not isinstance(node.value, bool):
            yield node, node.value
        return
    for child in ast.iter_child_nodes(node):
        if not _is_not_a_quantity(child, node):
            yield from _numbers_in(child)


def _is_not_a_quantity(child: ast.AST, parent: ast.AST) -> bool:
    if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name) and parent.func.id == "round":
        return child in parent.args[1:]
    if isinstance(parent, ast.Subscript):
        return child is parent.slice
    # Python 3.11 gives no usable positions inside an f-string.
    return isinstance(child, ast.pattern | ast.JoinedStr)


def _apart(slot: str, before: bytes, after: bytes) -> bytes:
    """The slot with a space where it would merge with a word next to it, as in `return.5` or `2if ready else 3`."""
    head = b" " if before and _is_word(before[-1]) else b""
    tail = b" " if after and _is_word(after[0]) else b""
    return head + slot.encode() + tail


def _is_word(byte: int) -> bool:
    return chr(byte).isalnum() or byte == ord("_") or byte >= 0x80


def _value(text: str) -> Number:
    number = Decimal(text.replace(",", ""))
    return int(number) if number == number.to_integral_value() else float(number)


def _written(number: Number) -> str:
    return f"{Decimal(repr(number)):f}"
