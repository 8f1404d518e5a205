"""Reading a number as people mean it, and writing it one way."""

from __future__ import annotations

from dataclasses import dataclass

from reft_lab.answers.grammar import NUMBER, sides, value_of
from reft_lab.answers.surroundings import is_part_of_more

LONGEST = 1000
"""Characters of a text that are looked at; an answer is a line, not a page."""


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number that somebody wrote.

    Attributes:
        value: the number as written: 50 for "50%".
        percent: whether a percent sign followed, so that 0.5 may have been meant as well.
    """

    value: float
    percent: bool = False

    def nearest_to(self, target: float) -> float:
        """The meaning nearest to `target`: 50% is 50 to 49 and 0.5 to 0.4."""
        meanings = (self.value, self.value / 100) if self.percent else (self.value,)
        return min(meanings, key=lambda meaning: abs(meaning - target))


def read_number(text: str) -> Number | None:
    """The number that a short text states, None where it states none or more than one reading is as good.

    Understands thousands of any typography (`1,234`, `1.234,56`, `1 234`, `1'234`), currency and units (`$18`, `18 €`,
    `18 dollars`, `<203>`), percent, fractions (`3/4`, `1 3/4`, `\\frac{3}{4}`), exponents, words that multiply
    (`1.5 million`, `3 dozen`, `2k`), LaTeX (see `typography.plain`), and the right side of `3 * 6 = 18`. With words
    between several numbers the first counts (`18 apples in 3 boxes`). No number are expressions, lists, ranges, times,
    measures of two parts (`3 + 4`, `4 π`, `2 x`, `5!`, `1, 2`, `10-15`, `5:30`, `2 hours 30 min`), comparisons, sets,
    intervals, nan, infinity and a division by zero. `1.234` is a decimal, `1,23` is nothing.
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
    """The one way a finite number is written, so that equal answers count as the same: 18, 0.25, -3.

    Ten significant digits are kept; whole numbers below 1e15 are kept in full.
    """
    value = float(value)
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.10g}"
