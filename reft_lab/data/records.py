"""What a record of any format comes to before its reasoning is put into the form a run asks for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """One question as its source tells it.

    Attributes:
        id: the source's own id, or one made from the file's name and the record's place in it.
        question: as in `Problem.question`.
        answer: as in `Problem.answer`.
        source: `FILE:LINE`, `FILE:LINE (record NUMBER)` or `HUB_ID:SPLIT:NUMBER`.
        format: a key of `formats.FORMATS`.
        options: as in `Problem.options`.
        reasoning: reasoning in words, as its source has it.
        program: a program that the source carries.
        formula: what a program can be derived from: SVAMP's Equation, ASDiv's Formula, MathQA's linear_formula.
    """

    id: str
    question: str
    answer: str
    source: str
    format: str
    options: tuple[str, ...] = ()
    reasoning: str | None = None
    program: str | None = None
    formula: str | None = None


class Broken(ValueError):
    """A record that cannot be read; the message says why in a few words."""


class Unusable(ValueError):
    """A record without reasoning of the kind asked for; the message is the reason it is counted under."""
