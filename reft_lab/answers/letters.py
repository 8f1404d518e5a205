"""Reading the letter of a multiple-choice option."""

from __future__ import annotations

import re
from collections.abc import Sequence

from reft_lab.answers.typography import plain

_LETTER = re.compile(
    r"""
    [\W_]*  (?:(?:so|thus|hence|therefore)\b[\W_]*)?
    (?:(?:it|this|that)\s+(?:is|must\s+be|would\s+be)\b[\W_]*)?
    (?:(?:the\s+)?(?:(?:correct|right|final|best)\s+)*(?:option|choice|answer|ans|letter)\b
       (?:\s+(?:is|must\s+be|should\s+be|would\s+be|choice|option)\b)*[\W_]*)*
    (?P<letter>[a-z])(?![^\W_]|['’]\w)(?P<rest>.*)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
# A second letter beside the first: b, c; (a) or (b); a and c; b/c; a & b.
_ANOTHER = re.compile(
    r"[\W_]*?(?:[,;/&+|]|\b(?:and|or|as\s+well\s+as)\b)[\W_]*"
    r"(?:(?:option|choice|answer)\b[\W_]*)?(?P<letter>[a-z])(?!\w|['’]\w)",
    re.IGNORECASE,
)
# The mark of another option before any reason is given: a ) 24 , b ) 120 repeats the list of options.
_NEXT_MARK = re.compile(
    r"(?:(?!\b(?:because|since|as|not|but)\b|[.;:]\s)[^\n])*?[\s,;(](?P<letter>[a-z])\s?\)", re.IGNORECASE
)
_GOES_ON = re.compile(r"is\s+(?:the\s+)?(?:correct|right|answer)\b|(?:because|since|as)\b", re.IGNORECASE)
_LONGEST = 1000
"""Characters of a text that are read; the answer to a multiple-choice question is at most a line."""


def option_letters(count: int) -> str:
    """The letters of the first `count` options: "abcde" for 5."""
    return "abcdefghijklmnopqrstuvwxyz"[:count]


def read_letter(text: str, options: Sequence[str]) -> str | None:
    """The lower-case option letter that a short text states, None where it states none of the options, or several.

    `c`, `C`, `(c)`, `c )`, `c.`, `<c>`, `**C**`, `\\boxed{\\text{C}}`, `c ) 625`, `c 625` (where 625 is option c),
    `option c`, `ans: c` and `the final answer is c` are c. Words and articles are not letters: `a lot` is None, and so
    are `b, c`, `a or b` and `both a and b`.
    """
    match = _LETTER.match(plain(text[:_LONGEST]))
    if match is None:
        return None
    letter = match["letter"].lower()
    letters = option_letters(len(options))
    place = letters.find(letter)
    if place < 0:
        return None
    rest = match["rest"].strip()
    said = _bare(rest)
    if _bare(options[place]) in (said, _bare(said.removeprefix("is "))):
        return letter
    others = (_ANOTHER.match(match["rest"]), _NEXT_MARK.match(match["rest"]))
    if any(other and other["letter"].lower() in letters.replace(letter, "") for other in others):
        return None
    return letter if not rest[:1].isalnum() or _GOES_ON.match(rest) else None


def _bare(text: str) -> str:
    """Text without the punctuation around it, in lower case."""
    return re.sub(r"^[\W_]+(?=\w)|[\s.)\]*_]+$", "", text.strip()).lower()
