"""One record for every data set."""

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
        cot: the gold reasoning in the kind the run asked for. Natural language ends in a last line `Therefore, the
            answer is: ANSWER`. A program is the whole text, `def solution():`, the question as its docstring, and a
            body with literal numbers. None where there is none (test problems).
        source: where it came from, `FILE:LINE_OR_RECORD_NUMBER`, the hub id, or the generator.
        options: texts of the options, first to last, for multiple choice; empty for a numeric answer.
    """

    id: str
    question: str
    answer: str
    cot: str | None
    source: str
    options: tuple[str, ...] = ()

    @property
    def is_choice(self) -> bool:
        """Whether the answer is the letter of an option."""
        return bool(self.options)
