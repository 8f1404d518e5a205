"""Reading a number as people mean it, and writing it one way."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reft_lab.answers.grammar import CODE, MULTIPLIERS, NUMBER, SIGN, is_part_of_more, sides, value_of

LONGEST = 1000
"""Characters of a text that are read; an answer is a line, not a page."""


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number that somebody wrote.

    Attributes:
        value: the number as written: 50 for "50%".
        percent: whether a percent sign followed, so that 0.5 may be meant as well.
    """

    value: float
    percent: bool = False

    def nearest_to(self, target: float) -> float:
        """The meaning nearest to `target`: 50% is 50 for 49, and 0.5 for 0.4."""
        meanings = (self.value, self.value / 100) if self.percent else (self.value,)
        return min(meanings, key=lambda meaning: abs(meaning - target))


def read_number(text: str) -> Number | None:
    """The number that a short text states; None where it states none, or where several readings are equally good.

    Understands thousands of any typography (`1,234`, `1.234,56`, `1 234`, `1'234`), currency and units (`$18`, `18 €`,
    `18 dollars`, `<203>`), percent, fractions (`3/4`, `1 3/4`, `\\frac{3}{4}`), exponents, words that multiply
    (`1.5 million`, `3 dozen`, `2k`), LaTeX (see `typography.plain`), and the right side of `3 * 6 = 18`. Of
    several numbers with words between them the first counts (`18 apples in 3 boxes`). Expressions, lists, ranges, times
    and measures of two parts are not numbers (`3 + 4`, `4 π`, `2 x`, `5!`, `1, 2`, `10-15`, `5:30`, `2 hours 30 min`),
    nor are comparisons, sets, intervals, nan, infinity and a division by zero. `1.234` is a decimal, `1,23` is neither.
    """
    found = sides(text[:LONGEST])
    if found is None:
        return None
    text = found[-1]
    match = NUMBER.search(text)
    if match is None or is_part_of_more(text, match):
        return None
    value = value_of(match)
    return Number(value, percent=match["percent"] is not None) if value is not None else None


def parse_number(text: str) -> float | None:
    """`read_number` as a plain float: `50%` is 50."""
    number = read_number(text)
    return number.value if number is not None else None


def number_text(value: float) -> str:
    """A finite number as text, always written the same way, so that equal answers can be counted: 18, 0.25, -3.

    Ten significant digits are kept; whole numbers below 1e15 are kept in full.
    """
    value = float(value)
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.10g}"


_LABEL = re.compile(r"[\s$]*(?:[A-Za-z]|[A-Za-z]{3,}(?:\s[A-Za-z]{2,}){0,3})?\s*")
# What may stand before the number: nothing, a currency as MathQA breaks it up (`s . 432`), an option's letter.
_BEFORE = re.compile(rf"\s*(?:(?:{CODE}|s|us)?\s*\.?\s*{SIGN}?|[a-z]\s*\.|\(?\s*[a-z]\s*\)|[~#])\s*", re.IGNORECASE)
_SHORT_UNITS = (
    "mm|cm|dm|km|kg|mg|gm|gr|ml|cl|dl|hl|kl|ha|in|ft|yd|mi|lb|oz|hr|hs|cc|sq|cu|kw|hz|pc|th|st|nd|rd|rs|re|kr|fr|zł|kč"
)
# Words that turn it into another number, or into a choice, a range or a time.
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
    """The number that a whole text states; None where anything but a unit is left over.

    Reads what `read_number` reads of a single number: `1,234`, `$ 6.50`, `-(1/3)`, `5 (apples)`, `20 %`, `x = 9`,
    `12 km / hr`, `\\frac{3}{4}`; but not where it would have to choose: `40 (years); 15 (years)`, `18 apples in 3
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
