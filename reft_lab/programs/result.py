"""The result of running a program, and why an engine refused to run one."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

STATUSES = ("ok", "no_answer", "syntax_error", "runtime_error", "timeout", "memory", "forbidden")


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """The result of one program; it holds no object of the program.

    Attributes:
        status: one of STATUSES. `ok` means that `solution()` returned a number (or, for multiple choice, one letter).
        value: the finite number that it returned; None unless status is `ok`.
        letter: a lower-case option letter, where the program returned one instead of a number.
        detail: the reason in one line, for people ("ZeroDivisionError: division by zero"); empty for `ok`.
        engine: the engine that answered.
    """

    status: str
    value: float | None = None
    letter: str | None = None
    detail: str = ""
    engine: str = "monty"


# Modules of the monty engine; a program that imports another one cannot run there.
MODULES = frozenset(
    (
        "asyncio", "base64", "binascii", "bisect", "collections", "copy", "csv", "dataclasses", "datetime", "decimal",
        "functools", "hashlib", "itertools", "json", "math", "os", "pathlib", "posixpath", "random", "re", "sys",
        "time", "tomllib", "typing", "unicodedata",
    )
)  # fmt: skip
# Packages (where they are installed) and modules of the jail (jail.py).
JAIL_PACKAGES = ("mpmath", "sympy")
JAIL_MODULES = frozenset(
    (
        "__future__", "abc", "array", "base64", "binascii", "bisect", "calendar", "cmath", "collections", "colorsys",
        "contextlib", "copy", "csv", "dataclasses", "datetime", "decimal", "enum", "fractions", "functools", "hashlib",
        "heapq", "io", "itertools", "json", "keyword", "math", "numbers", "operator", "os", "pprint", "random", "re",
        "statistics", "string", "struct", "sys", "textwrap", "time", "traceback", "types", "typing", "unicodedata",
        "warnings",
    )
)  # fmt: skip
# Builtin functions of CPython that the monty engine lacks.
MISSING_BUILTINS = (
    "__build_class__", "__import__", "aiter", "anext", "ascii", "breakpoint", "bytearray", "callable", "classmethod",
    "compile", "delattr", "dir", "exit", "globals", "help", "input", "issubclass", "memoryview", "quit",
    "staticmethod", "super", "vars",
)  # fmt: skip

_JAIL_REFUSES = ("breakpoint", "exit", "help", "input", "quit")

_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import\b|import[ \t]+([\w., \t]+))", re.M)
_BUILTIN = re.compile(rf"(?<![\w.])({'|'.join(MISSING_BUILTINS)})\b")
# What the monty engine cannot do, and how a program shows that it needs it.
_SYNTAX = {
    "generators (yield) are not supported": re.compile(r"\byield\b"),
    "class inheritance is not supported": re.compile(r"^[ \t]*class[ \t]+\w+[ \t]*\([ \t]*[^)\s]", re.M),
    "the del statement is not supported": re.compile(r"^[ \t]*del\b", re.M),
    "wildcard imports are not supported": re.compile(r"^[ \t]*from[ \t]+[\w.]+[ \t]+import[ \t]*\*", re.M),
    "decorators in a class are not supported": re.compile(r"^[ \t]+@\w", re.M),
}
GAVE_UP = "the interpreter gave up on it"
_OUT_OF_REACH = "files, the environment and the system are out of reach"


def imported_modules(program: str) -> list[str]:
    """Top-level names of the modules that `program` imports, in order."""
    names: list[str] = []
    for source, plain in _IMPORT.findall(program):
        for part in (source or plain).split(","):
            words = part.split()
            if words:
                names.append(words[0].split(".")[0])
    return names


def missing_builtin(program: str) -> str | None:
    """The first builtin function in `program` that the monty engine lacks."""
    found = _BUILTIN.search(program)
    return found.group(1) if found else None


def why_forbidden(program: str, engine: str) -> str:
    """One line on what `program` needs and `engine` (monty or jail) does not have."""
    there = MODULES if engine == "monty" else JAIL_MODULES.union(JAIL_PACKAGES)
    for module in imported_modules(program):
        if module not in there:
            return f"module {module} is not there"
    if engine == "monty":
        for words, pattern in _SYNTAX.items():
            if pattern.search(program):
                return words
    return _OUT_OF_REACH


def refusals(results: Iterable[ProgramResult]) -> Counter[tuple[str, str]]:
    """How many programs an engine refused, by (engine, reason)."""
    return Counter((result.engine, result.detail) for result in results if result.status == "forbidden")


def what_would_help(refused: Counter[tuple[str, str]]) -> str | None:
    """One sentence for a run's summary on programs that the sandbox would not run; None where there were none.

    Args:
        refused: what `refusals` counted.
    """
    total = refused.total()
    if not total:
        return None
    reasons: Counter[str] = Counter()
    for (_, reason), count in refused.items():
        reasons[reason] += count
    common = "; ".join(f"{reason}: {count}" for reason, count in reasons.most_common(3))
    start = f"{total} program{'s' if total > 1 else ''} asked for what the sandbox does not provide ({common}); "
    for_the_jail = sum(count for (engine, reason), count in refused.items() if engine == "monty" and _jail_has(reason))
    if for_the_jail and sys.platform.startswith("linux"):
        return f"{start}programs.fallback=jail could run {for_the_jail} of them."
    return f"{start}training programs should keep to what docs/programs.md lists."


def _jail_has(reason: str) -> bool:
    """Whether the jail has what the monty engine lacks for `reason`."""
    if reason in _SYNTAX or reason == GAVE_UP:
        return True
    kind, _, rest = reason.partition(" ")
    name = rest.removesuffix(" is not there")
    if kind == "module":
        return name in JAIL_MODULES or (name in JAIL_PACKAGES and importlib.util.find_spec(name) is not None)
    return kind == "builtin" and name not in _JAIL_REFUSES
