"""The outcome of a response."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("correct", "wrong", "no_answer", "syntax_error", "runtime_error", "timeout", "memory", "forbidden")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The typed result of judging one response; a reward is a pure function of it.

    Attributes:
        kind: one of KINDS. `correct` and `wrong` mean that an answer was extracted; only programs end in the last five.
        answer: the extracted answer as text, for people and for counting distinct answers; None where there is none.
        value: the extracted answer as a finite number, None where it is not numeric.
        gold: the gold answer as a number; None for an option letter.
        detail: one line on why a program failed.
    """

    kind: str
    answer: str | None = None
    value: float | None = None
    gold: float | None = None
    detail: str = ""
