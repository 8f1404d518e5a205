"""Why the sandbox would not run a program, in words, and what would help."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from reft_lab.programs.result import ProgramResult

# Modules the monty engine has; a program that asks for another one cannot run there.
MODULES = frozenset(
    (
        "asyncio", "base64", "binascii", "bisect", "collections", "copy", "csv", "dataclasses", "datetime", "decimal",
        "functools", "hashlib", "itertools", "json", "math", "os", "pathlib", "posixpath", "random", "re", "sys",
        "time", "tomllib", "typing", "unicodedata",
    )
)  # fmt: skip
# Builtin functions of CPython that the monty engine lacks.
MISSING_BUILTINS = (
    "__build_class__", "__import__", "aiter", "anext", "ascii", "breakpoint", "bytearray", "callable", "classmethod",
    "compile", "delattr", "dir", "exit", "globals", "help", "input", "issubclass", "memoryview", "quit",
    "staticmethod", "super", "vars",
)  # fmt: skip

_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import\b|import[ \t]+([\w., \t]+))", re.M)
_BUILTIN = re.compile(rf"(?<![\w.])({'|'.join(MISSING_BUILTINS)})\b")
_YIELD = re.compile(r"\byield\b")
_HEIR = re.compile(r"^[ \t]*class[ \t]+\w+[ \t]*\([ \t]*[^)\s]", re.M)
_DELETE = re.compile(r"^[ \t]*del\b", re.M)
_STAR = re.compile(r"^[ \t]*from[ \t]+[\w.]+[ \t]+import[ \t]*\*", re.M)


def imported_modules(program: str) -> list[str]:
    """Top-level names of the modules that import statements of `program` ask for, in order."""
    names: list[str] = []
    for source, plain in _IMPORT.findall(program):
        for part in (source or plain).split(","):
            words = part.split()
            if words:
                names.append(words[0].split(".")[0])
    return names


def missing_builtin(program: str) -> str | None:
    """The first builtin function that `program` names and the sandbox lacks."""
    found = _BUILTIN.search(program)
    return found.group(1) if found else None


def why_forbidden(program: str) -> str:
    """One line on what `program` needs that the sandbox does not give."""
    for module in imported_modules(program):
        if module not in MODULES:
            return f"module {module} is not there"
    for pattern, words in (
        (_YIELD, "generators (yield) are not supported"),
        (_HEIR, "class inheritance is not supported"),
        (_DELETE, "the del statement is not supported"),
        (_STAR, "wildcard imports are not supported"),
    ):
        if pattern.search(program):
            return words
    return "files, the environment and the system are out of reach"


def what_would_help(results: Iterable[ProgramResult]) -> str | None:
    """One sentence for a run's summary on programs that the sandbox would not run; None where there were none."""
    reasons = Counter(result.detail for result in results if result.status == "forbidden")
    if not reasons:
        return None
    total = reasons.total()
    common = "; ".join(f"{reason}: {count}" for reason, count in reasons.most_common(3))
    return (
        f"{total} program{'s' if total > 1 else ''} asked for what the sandbox does not give ({common}); "
        "training programs that keep to what docs/programs.md lists would help."
    )
