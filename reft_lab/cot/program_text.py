"""The text of a program, taken apart and put together: header, docstring, body."""

from __future__ import annotations

import ast
import re
import textwrap

from reft_lab.data.program_text import docstring

HEADER = "def solution():"
INDENT = "    "


def with_docstring(header: str, question: str) -> str:
    """`header` and the question as the docstring below it, ending in a newline."""
    return f'{header}\n{INDENT}"""{docstring(question)}"""\n'


def body(program: str) -> str:
    """What stands below header and docstring of `solution` in `program`, indented by four spaces, formatting kept.

    What stands above `solution` (imports, constants, helpers) moves to the top of the body, what stands below is left
    out. There is no newline at the end.

    Raises:
        ValueError: `program` is not Python, or does not define `solution` with a body and without parameters.
    """
    try:
        tree = ast.parse(program)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"it is not a Python program ({error})") from error
    places = [i for i, node in enumerate(tree.body) if isinstance(node, ast.FunctionDef) and node.name == "solution"]
    if not places:
        raise ValueError("it does not define solution()")
    function = tree.body[places[0]]
    assert isinstance(function, ast.FunctionDef)
    if ast.unparse(function.args):
        raise ValueError("its solution() takes parameters")
    statements = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    if not statements:
        raise ValueError("its solution() has no body")
    lines = re.split(r"\r\n|\r|\n", program)  # as ast counts them; str.splitlines knows more line ends
    above = [ast.unparse(node) for node in tree.body[: places[0]]]
    return "\n".join([*(textwrap.indent(text, INDENT) for text in above), _source(function, statements, lines)])


def _source(function: ast.FunctionDef, statements: list[ast.stmt], lines: list[str]) -> str:
    """The lines of `statements` with the comments above the first of them, or the code alone where the lines cannot
    stand below a header of ours (another indentation, or a line shared with header or docstring)."""
    first = statements[0].lineno - 1
    before = function.body[0].end_lineno if statements is not function.body else function.lineno
    assert before is not None
    if first < before or not lines[first].startswith(INDENT) or lines[first][len(INDENT)].isspace():
        return textwrap.indent("\n".join(map(ast.unparse, statements)), INDENT)
    while first > before and lines[first - 1].strip().startswith("#"):
        first -= 1
    return "\n".join(lines[first : function.end_lineno]).rstrip()
