"""Options of multiple-choice questions: `a ) 24 , b ) 120 , ...`."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from reft_lab.answers.numbers import read_whole

_LETTERS = "abcdefgh"
_OPTION = re.compile(r"(?:^|,)\s*([a-h])\s*\)", re.IGNORECASE)


def parse_options(text: str) -> tuple[str, ...]:
    """The texts of `a ) 24 , b ) 120 , ...`, `A)24,B)120` or `['a ) 24', 'b ) 120', ...]`, first to last.

    Doubled letters (`a ) a ) 24`), which occur in MathQA, are read as one. Empty where `text` is not a list of options.
    """
    text = text.strip()
    if text.startswith("["):
        text = _joined(text)
    marks: list[re.Match[str]] = []
    for mark in _OPTION.finditer(text):
        if len(marks) < len(_LETTERS) and mark[1].lower() == _LETTERS[len(marks)]:
            marks.append(mark)
    if len(marks) < 2 or text[: marks[0].start()].strip():
        return ()
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    options = (text[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True))
    return tuple(option.removeprefix(f"{letter} )").strip() for letter, option in zip(_LETTERS, options, strict=False))


def split_question(question: str) -> tuple[str, tuple[str, ...]]:
    """A question whose last line lists its options, as (question without that line, options)."""
    stem, _, last = question.rstrip().rpartition("\n")
    options = parse_options(last)
    return (stem.rstrip(), options) if stem and options else (question, ())


def with_options(stem: str, options: Sequence[str]) -> str:
    """The question with its options on a last line of their own."""
    return stem + "\n" + " , ".join(f"{letter} ) {option}" for letter, option in zip(_LETTERS, options, strict=False))


def option_number(option: str) -> float | None:
    """The number that an option states, with or without a unit; None for `none of these`, `2 : 3`, `4 π`, `x + 1`.

    Stricter than `read_number`, which looks for a number within a sentence: here the whole option must be the number.
    """
    number = read_whole(option)
    return number.value if number is not None else None


def _joined(text: str) -> str:
    """`['a ) 24', 'b ) 120']` as `a ) 24 , b ) 120`."""
    try:
        items = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text.strip("[]").replace("'", "").replace('"', "")
    return " , ".join(str(item) for item in items) if isinstance(items, list) else text
