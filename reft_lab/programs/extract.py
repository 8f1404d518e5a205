"""The first complete program in a model's text."""

from __future__ import annotations

import ast
import re
import warnings

_HEADER = re.compile(r"def[ \t]+solution\b")
_FENCE = re.compile(r"[ \t]*(```|~~~)")
_ABOVE = re.compile(r"(?:import|from|def|class)\b|@\w|[A-Za-z_]\w*[ \t]*(?::[^=]+)?=[^=]")
_BLANK_LINE = re.compile(r"\n[ \t]*(?:\n|$)")
_RETURN = re.compile(r"([ \t]+)(?:return|raise)\b")
# Whatever can open, close or hide a string, a comment or a bracket.
_MARK = re.compile(r"\"\"\"|'''|\"(?:[^\"\\]|\\.)*(?:\"|$)|'(?:[^'\\]|\\.)*(?:'|$)|#.*|[()\[\]{}]|\\$")
_TRIPLE_END = {quote: re.compile(rf"(?:[^\\]|\\.)*?{quote}", re.S) for quote in ('"""', "'''")}
_MOST_TRIES = 40


def extract(text: str, cut_at_blank_line: bool = False) -> str:
    """The first complete program in `text`: everything from its imports and helpers to the end of `solution`.

    Prose, code fences, and whatever follows the body of the first top-level `def solution` (more prose, a second
    `solution`) are left out; blank lines inside the program stay. A text without `def solution` comes back as it is,
    without its fences. Never raises; the result need not be valid Python.

    Args:
        text: the response, with the `def solution():` line of the prompt where the prompt had one.
        cut_at_blank_line: end at the first blank line instead, as the released code does.
    """
    text = text.replace("\r\n", "\n")
    if cut_at_blank_line:
        return _BLANK_LINE.split(text.lstrip("\n"), maxsplit=1)[0]
    lines = text.split("\n")
    header = next((index for index, line in enumerate(lines) if _HEADER.match(line)), None)
    if header is None:
        return "\n".join(line for line in lines if not _FENCE.match(line))
    block = lines[header : _end_of_block(lines, header)]
    above = lines[:header]
    fence = next((index for index in range(header - 1, -1, -1) if _FENCE.match(above[index])), -1)
    above = _code_above(above[fence + 1 :])
    return "\n".join([*above, *block]).rstrip() + "\n"


def _end_of_block(lines: list[str], header: int) -> int:
    """Index of the first line after the function that starts at line `header`."""
    index, code = _end_of_statement(lines, header)
    if not code.rstrip().endswith(":"):
        return index  # the body is on the line of the header
    end, indent, after_return = index, None, None
    while index < len(lines):
        line = lines[index]
        bare = line.lstrip(" \t")
        if not bare or bare.startswith("#"):
            index += 1
            continue
        if bare == line or _FENCE.match(line):
            break
        if indent is None:
            indent = line[: len(line) - len(bare)]
        start = index
        index, _ = _end_of_statement(lines, index)
        end = index
        leaves = _RETURN.match(lines[start])
        if after_return is None and leaves and leaves.group(1) == indent:
            after_return = index
    # Indented text after the last return is dead code if it parses; otherwise it is prose, and an error.
    if after_return is not None and after_return < end and not _parses(lines[header:end]):
        return after_return
    return end


def _end_of_statement(lines: list[str], start: int) -> tuple[int, str]:
    """Index of the line after the statement at `start`, and the statement's last line without comments and strings."""
    depth, quote, index = 0, "", start
    while index < len(lines):
        line, position, code = lines[index], 0, []
        index += 1
        joined = False
        while True:
            if quote:
                closing = _TRIPLE_END[quote].match(line, position)
                if closing is None:
                    break
                position, quote = closing.end(), ""
            mark = _MARK.search(line, position)
            if mark is None:
                code.append(line[position:])
                break
            code.append(line[position : mark.start()])
            position, sign = mark.end(), mark.group()
            if sign in _TRIPLE_END:
                quote = sign
            elif sign in "([{":
                depth += 1
            elif sign in ")]}":
                depth = max(0, depth - 1)
            elif sign == "\\":
                joined = True
        if not quote and not depth and not joined:
            return index, "".join(code)
    return index, ""


def _code_above(lines: list[str]) -> list[str]:
    """`lines` without the prose at their start; nothing where no rest of them is code."""
    if not any(lines) or _parses(lines):
        return lines
    starts = [index for index, line in enumerate(lines) if index and _ABOVE.match(line)]
    return next((lines[index:] for index in starts[:_MOST_TRIES] if _parses(lines[index:])), [])


def _parses(lines: list[str]) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True
