"""Reading a number as people mean it, and writing it one way."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reft_lab.answers.grammar import NUMBER, sides, value_of

LONGEST = 1000
"""Characters of a text that are looked at; an answer is a line, not a page."""

# What joins two numbers into something that is not one number: 3 + 4, 10-15, 5:30, "1, 2", "5 or 6", 3(4).
_JOINT = re.compile(
    r"\s*(?:[-+*×x/÷^:;,.~&·|]|\*\*|to|or|and|minus|plus|times|over|point)?\s*"
    r"|[\s)\]]*(?:[-+*×/÷^:·]|\*\*)[\s(\[]*|\)?\(",
    re.IGNORECASE,
)
# Words that begin something new, so that a later number is none of the answer: 18 apples in 3 boxes.
_CONTEXT = re.compile(
    r"\b(?:in|per|of|for|from|out|on|at|with|without|by|each|every|after|before|during|because|since|as|if|when|while"
    r"|which|where|who|that|so|then|than|is|are|was|were|has|had|have|an?|left|remaining|more|total|altogether)\b"
    r"|[.!?]\s|[(\[\n—]|-\s",
    re.IGNORECASE,
)
# An exponent of a unit: 5 m^2, 9 m/s^2, 210 cm 2; but 6 ft 2 in is a measure of two parts.
_EXPONENT_OF_UNIT = re.compile(
    r"\s*(?:[a-z]++\s*+[/·.]?\s*+){1,3}+(?:\^|\*\*)\s*-?[1-3](?![0-9.,])"
    r"|\s*(?:sq\s?\.?\s*)?(?:mm|cm|dm|m|km|inch(?:es)?|ft|feet|yds?|units?)\s*[23](?!\s*[\w.,])",
    re.IGNORECASE,
)
# What makes of the number before it something else: 4 π, 5!, 2 ^ n, 3 + n, 2 x, 4 squared.
_CHANGED = re.compile(
    r"[\s)\]}]*(?:[\^!π²³⁴-⁹ⁿ十百千万萬亿億兆만억천백]|(?:pi|squared|cubed|factorial|raised|choose|mod|modulo|divided|multiplied)\b)"
    r"|\s*[)\]]?\s*(?:[*×·÷+/]\s*(?:[(\[\\|π]|[a-z](?![a-z]))|[*×·÷+]\s*[a-z])"
    r"|\s*[-:,]\s*(?!(?:a|i)\s+[a-z])[a-z](?![\w'])|\s*(?:and|or)\s+(?!(?:a|i)\s+[a-z])[a-z](?![\w'])|\s*-\s*\("
    r"|\s*(?:ab|bc|ac|xy|yz|xz|pq|mn|[xyz]{2,3})(?![\w'])",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"\s*(?!a\.\s?m|p\.\s?m)(?:(?![mshlgCFKNJWVAL])[A-Za-z]|(?<=[\s])K)(?![\w'])")
_ARTICLE = re.compile(r"\s+(?:a|I)\s+[A-Za-z]")
_LATER_CHANGE = re.compile(
    r"\b(?:dozen|score|gross|half|halves|thirds?|quarters?|fourths?|fifths?|sixths?|sevenths?|eighths?|ninths?|tenths?"
    r"|hundredths?|thousandths?|hundreds?|thousands?|millions?|billions?|trillions?|lakhs?|crores?|squared|cubed)\b",
    re.IGNORECASE,
)
_CHANGED_BEFORE = re.compile(
    r"[/^×·÷√][\s(\[]*$|\|\s*$|[\w)\]]\s*\*\s*$|(?<![A-Za-z])[A-Za-z][(\[]$"
    r"|\b(?:sqrt|roots?|log|ln|exp|sin|cos|tan|cot|half|twice|thrice|double|triple|quadruple|quarters?|thirds?|fourths?"
    r"|fifths?|tenths?|factorial|mod|(?:square|cube|root|percent)\s+of|π|pi)\s*(?:of\s*)?(?:the\s+|an?\s+)?$",
    re.IGNORECASE,
)
_LIST_BEFORE = re.compile(r"(?:^|[^A-Za-z])[A-Za-z]\s*$|[)\]0-9]\s*$")


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
    if match is None or _is_part_of_more(text, match):
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


def _is_part_of_more(text: str, match: re.Match[str]) -> bool:
    """Whether what stands around a number makes another number, or no number, of it."""
    before, after = text[: match.start()], text[match.end() :]
    if match["sign"] in ("+", "-") and _LIST_BEFORE.search(before):
        return True
    if match["sign"] == "+" and re.search(r"\w\s*$", before):
        return True
    if _CHANGED_BEFORE.search(before) or _CHANGED.match(after) or _in_a_list(text, match):
        return True
    if _VARIABLE.match(after) and not _ARTICLE.match(after):
        return True
    exponent = _EXPONENT_OF_UNIT.match(after)
    following = NUMBER.search(after, exponent.end() if exponent is not None else 0)
    between = after[: following.start()] if following is not None else after
    if following is not None and (
        ";" in between
        or _JOINT.fullmatch(between)
        or ((match["percent"] or match["divisor"]) and between.strip() == "of")
    ):
        return True
    context = _CONTEXT.search(between)
    unit = between[: context.start()] if context is not None else between
    if _LATER_CHANGE.search(" ".join(unit.split()[:3])):
        return True
    return following is not None and context is None and len(between.split()) <= 3


def _in_a_list(text: str, match: re.Match[str]) -> bool:
    """Whether a number stands in brackets with more than itself: (3, x), [3, 5), {3; 4}."""
    opened = max(text.rfind(bracket, 0, match.start()) for bracket in "([{")
    if opened < 0 or any(bracket in text[opened : match.start()] for bracket in ")]}"):
        return False
    closed = re.search(r"[)\]}]", text[match.end() :])
    rest = text[match.end() : match.end() + closed.start() if closed else len(text)]
    return any(sign in text[opened : match.start()] + rest for sign in ",;|")
