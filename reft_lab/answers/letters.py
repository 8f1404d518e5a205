"""Reading the letter of a multiple-choice option."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LETTER = re.compile(
    r"\W*(?:(?:the\s+)?(?:correct\s+)?(?:option|choice|answer)(?:\s+is)?\s*:?\s*)?\W*(?P<letter>[a-z])(?!\w|['’]\w)(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)


def option_letters(count: int) -> str:
    """The letters of the first `count` options: "abcde" for 5."""
    return "abcdefghijklmnopqrstuvwxyz"[:count]


def read_letter(text: str, options: Sequence[str]) -> str | None:
    """The lower-case option letter that a short text states, None where it states none of these options.

    `c`, `C`, `(c)`, `c )`, `c.`, `<c>`, `c ) 625`, `c 625` (where 625 is option c) and `option c` are c. A word is no
    letter, and neither is an article: `a lot` is None.
    """
    match = _LETTER.match(text)
    if match is None:
        return None
    letter = match["letter"].lower()
    place = option_letters(len(options)).find(letter)
    rest = match["rest"].strip()
    if place < 0 or (rest[:1].isalnum() and rest.rstrip(" .").lower() != options[place].strip().lower()):
        return None
    return letter
