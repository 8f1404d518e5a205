"""One kind of record for all data sets: Record as the source has it, Problem as a run uses it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """A question with its gold answer.

    Attributes:
        id: unique within its data set.
        question: the question as a person would read it. Multiple choice keeps its options in the text, on a last
            line of their own (`a ) 24 , b ) 120 , ...`).
        answer: the gold answer as text: a plain decimal number ("18", "0.25", "-3") or an option letter ("c").
        cot: the gold reasoning of the kind that the run asked for. Natural language ends in a last line `Therefore, the
            answer is: ANSWER`. A program is the whole text, `def solution():`, the question as its docstring, and a
            body with literal numbers. None where there is none (test problems).
        source: where it came from, `FILE:LINE_OR_RECORD_NUMBER`, the hub id, or the generator.
        options: texts of the options, first to last, for multiple choice; empty for a numeric answer.
        solution: how the source works it out, in its own form (words, a program, a formula), for people to read; None
            where the source does not say, or `cot` is that.
    """

    id: str
    question: str
    answer: str
    cot: str | None
    source: str
    options: tuple[str, ...] = ()
    solution: str | None = None

    @property
    def is_choice(self) -> bool:
        """Whether the answer is the letter of an option."""
        return bool(self.options)


@dataclass(frozen=True, slots=True)
class Record:
    """One question as its source has it.

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
