"""What comes back from running one program."""

from __future__ import annotations

from dataclasses import dataclass

STATUSES = ("ok", "no_answer", "syntax_error", "runtime_error", "timeout", "memory", "forbidden")


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """The outcome of one program; no object of the program is in it.

    Attributes:
        status: one of STATUSES. `ok` means that `solution()` returned a number (or, for multiple choice, one letter).
        value: the finite number it returned, None unless status is `ok`.
        letter: a single lower-case option letter, where the program returned one instead of a number.
        detail: one line on why, for people ("ZeroDivisionError: division by zero"); empty for `ok`.
        engine: the engine that answered.
    """

    status: str
    value: float | None = None
    letter: str | None = None
    detail: str = ""
    engine: str = "monty"
