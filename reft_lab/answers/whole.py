"""Reading a text that must be one number and nothing else: gold answers, options."""

from __future__ import annotations

import re

from reft_lab.answers.grammar import CODE, NUMBER, SIGN, sides, value_of
from reft_lab.answers.numbers import LONGEST, Number
from reft_lab.answers.surroundings import MULTIPLIERS

_LABEL = re.compile(r"[\s$]*(?:[A-Za-z]|[A-Za-z]{3,}(?:\s[A-Za-z]{2,}){0,3})?\s*")
# What may stand before the number: nothing, a currency in MathQA's torn spelling (`s . 432`), the rest of a letter.
_BEFORE = re.compile(rf"\s*(?:(?:{CODE}|s|us)?\s*\.?\s*{SIGN}?|[a-z]\s*\.|\(?\s*[a-z]\s*\)|[~#])\s*", re.IGNORECASE)
_SHORT_UNITS = (
    "mm|cm|dm|km|kg|mg|gm|gr|ml|cl|dl|hl|kl|ha|in|ft|yd|mi|lb|oz|hr|hs|cc|sq|cu|kw|hz|pc|th|st|nd|rd|rs|re|kr|fr|zł|kč"
)
# Words that make another number of it, or a choice, a range or a time.
_NO_UNIT = (
    rf"{MULTIPLIERS}|pi|root|sqrt|and|or|to|by|am|pm|plus|minus|over|under|than|above|below|point|factorial|raised"
    "|choose|mod|divided|multiplied|but|not|if|either|between|until|remainder|xyz|xxx|yyy|zzz|abc"
    "|january|february|march|april|june|july|august|september|october|november|december"
)
_END = r"(?![^\W²³])"  # of a unit, which may have a power: cm²
_CHARACTER = r"[\u3040-\u9fff\uac00-\ud7af](?<![十百千万萬亿億兆만억천백])"
_WORD = (
    rf"(?!(?:{_NO_UNIT})\b)"
    rf"(?:(?:{_SHORT_UNITS}){_END}|[^\W\d_]{{3,}}+|(?-i:[mshlgLWVNJ]){_END}|{_CHARACTER}|an?\s(?=[a-z]{{2}})|of\s)"
)
_UNIT = re.compile(
    rf"""
    (?: \s* (?:%|{SIGN}|°\s*(?:[cfk]\b)?|degrees?\s+[cfk]\b|[/,]\s*-
          |(?:[.'"]|[/·-](?=\s*[^\W\d_]))(?!\s*[a-z]\b(?<![mshlg]))
          |(?:{_WORD})[.]?)
        (?:(?<=[a-z])\s*\^\s*-?[1-3]|(?:(?<=\bm)|(?<=[ckmd]m)|(?<=\bft))\s*[23](?!\s*\w)|[²³])?
    )*+
    \s* (?:[(\[][^()\[\]0-9]*(?:(?<=[a-z])\^?[23])?[)\]])? \s*[.;]?\s*
    """,
    re.VERBOSE | re.IGNORECASE,
)
_WRAPPERS = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'"}


def read_whole(text: str) -> Number | None:
    """The number that a text is as a whole, None where anything is left over that is no unit.

    Reads what `read_number` reads of a single number: `1,234`, `$ 6.50`, `-(1/3)`, `5 (apples)`, `20 %`, `x = 9`,
    `12 km / hr`, `\\frac{3}{4}`; but nothing where that has to choose: `40 (years); 15 (years)`, `18 apples in 3
    boxes`, `2 : 3`, `none of these`, `n + 3`, `11 am`, `at least 5`.
    """
    if len(text) > LONGEST:
        return None
    found = sides(text)
    if found is None or len(found) > 2 or (len(found) == 2 and not _LABEL.fullmatch(found[0])):
        return None
    text = _unwrapped(found[-1])
    match = NUMBER.search(text)
    if match is None or not _BEFORE.fullmatch(text, 0, match.start()) or not _UNIT.fullmatch(text, match.end()):
        return None
    value = value_of(match)
    return Number(value, percent=match["percent"] is not None) if value is not None else None


def _unwrapped(text: str) -> str:
    """`text` without quotes or brackets around all of it."""
    text = text.strip()
    while len(text) > 2 and _WRAPPERS.get(text[0]) == text[-1] and text[0] not in text[1:-1]:
        text = text[1:-1].strip()
    return text
