"""Reading a number as people mean it, and writing it one way."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from unicodedata import normalize

# The digits of a number must not stand inside a word (x0, A4) or be the tail of a malformed one (18.0.0, 1_000).
_STARTS = r"(?<!\w)(?<![0-9][.,])"
_ENDS = r"(?![0-9_]|[.,][0-9])"
_GROUPED = r"[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}"
_UNSIGNED = rf"(?:(?:{_GROUPED}|[0-9]++)(?:\.[0-9]*+)?(?:[eE][-+]?[0-9]++)?|(?<!\.)\.[0-9]++){_ENDS}"
_CURRENCY = r"(?:(?:us|\\)?[$€£¥₹]|usd|rs\.?)"
_SIGN = r"(?<!\w)(?:[-+]|(?:minus|negative)\b)"
_NUMBER = re.compile(
    rf"""
    (?:(?P<sign>{_SIGN})\s*)?  (?:{_CURRENCY}\s*(?P<sign_after>-)?\s*)?  {_STARTS}
    (?: (?P<whole>[0-9]{{1,15}}) [ ]+ (?:and[ ]+)? (?P<part>[0-9]{{1,15}}) [ ]?/[ ]? (?P<parts>[0-9]{{1,15}}) {_ENDS}
      | (?P<number>{_UNSIGNED}) (?:\s*/\s*(?P<divisor>{_UNSIGNED}))?
    )
    (?: \s*(?P<scale>hundred|thousand|million|billion|trillion)\b )?
    (?P<percent> \s*\\?% | \s*(?:percent|per\ cent)\b )?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SCALES = {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
# What joins two numbers into something that is not one number: 3 + 4, 10-15, 5:30, "1, 2", "5 or 6".
_JOINT = re.compile(r"\s*(?:[-+*×x/÷^:,.~]|\*\*|to|or|and|minus|plus|times)?\s*", re.IGNORECASE)
# A factor that is no plain number: 4 π, 3 √ 2, √ 5, 2 ^ n.
_FACTOR_BEFORE = re.compile(r"√\s*$")
_FACTOR_AFTER = re.compile(r"\s*(?:[π√^]|pi\b)", re.IGNORECASE)
_DASHES = str.maketrans(dict.fromkeys("\N{MINUS SIGN}\N{EN DASH}\N{EM DASH}\N{FULLWIDTH HYPHEN-MINUS}", "-"))
_VULGAR_FRACTION = re.compile("[¼½¾⅐-⅞]")


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

    Understands thousands (`1,234`), currency and units (`$18`, `€12`, `18 dollars`, `<203>`), percent, fractions
    (`3/4`, `1 3/4`), exponents, `1.5 million`, signs of any typography, and the right side of `3 * 6 = 18`. With
    words between several numbers the first counts (`18 apples in 3 boxes`). A bare expression, list, range or time
    (`3 + 4`, `4 π`, `1, 2`, `10-15`, `5:30`), nan, infinity and a division by zero are no number.
    """
    text = text.rpartition("=")[2].translate(_DASHES)
    text = _VULGAR_FRACTION.sub(lambda sign: " " + normalize("NFKC", sign[0]).replace("\N{FRACTION SLASH}", "/"), text)
    match = _NUMBER.search(text)
    if match is None or _FACTOR_AFTER.match(text, match.end()) or _FACTOR_BEFORE.search(text[: match.start()]):
        return None
    following = _NUMBER.search(text, match.end())
    if following is not None and _JOINT.fullmatch(text, match.end(), following.start()):
        return None
    value = _value(match)
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


def _value(match: re.Match[str]) -> float | None:
    """The finite value of a match of `_NUMBER`, without regard to percent."""
    if match["whole"] is not None:
        part, parts = int(match["part"]), int(match["parts"])
        if part >= parts:
            return None
        value = int(match["whole"]) + part / parts
    else:
        value = float(match["number"].replace(",", ""))
        if match["divisor"] is not None:
            divisor = float(match["divisor"].replace(",", ""))
            if divisor == 0:
                return None
            value /= divisor
    value *= _SCALES[match["scale"].lower()] if match["scale"] else 1
    if (match["sign"] or match["sign_after"] or "+") != "+":
        value = -value
    return value if math.isfinite(value) else None
