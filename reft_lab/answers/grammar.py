"""How one number is written, and which words around it make it part of something else."""

from __future__ import annotations

import math
import re

from reft_lab.answers.typography import CURRENCY_SIGNS, THIN_SPACE, plain

SIGN = rf"[{re.escape(CURRENCY_SIGNS)}]"
CODE = (
    r"(?:rs|re|inr|usd|eur|euros?|gbp|chf|sfr|fr|jpy|yen|cny|rmb|krw|rub|try|brl|aud|cad|nzd|sgd|hkd|mxn|zar|dkk|nok|sek"
    r"|pln|czk|huf|kr|zł|kč)"
)
"""Currency codes, as people write them before or after a number."""
CURRENCY = rf"(?:[a-z]{{0,3}}{SIGN}{{1,2}}|\b{CODE}\b\s?\.?|\b{CODE}(?=[0-9]))"

# Thousands: 1,234 and 12,34,567 (Indian); 1.234,56 and 1.234.567 (European); 1'234 (Swiss); 1 234 (SI).
_COMMAS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3})(?:\.[0-9]*+)?"
_POINTS = r"[1-9][0-9]{0,2}(?:(?:\.[0-9]{3})+,[0-9]++|(?:\.[0-9]{3}){2,}+)"
_APART = rf"[1-9][0-9]{{0,2}}(?:(?:'[0-9]{{3}})++|(?:{THIN_SPACE}[0-9]{{3}})++|(?:\ [0-9]{{3}})++)(?:[.,][0-9]++)?"
_SIMPLE = r"(?:[0-9]++(?:\.[0-9]*+)?|(?<!\.)\.[0-9]++)"
# The digits of a number must not stand inside a word (x0, A4) or be the tail of a malformed one (18.0.0, 1_000).
_ENDS = rf"(?![0-9_]|[.,'{THIN_SPACE}][0-9])"
_EXPONENT = r"(?:e[-+]?[0-9]++)?"
_DIGITS = rf"(?:(?:{_APART}|{_POINTS}|{_COMMAS}){_ENDS}|{_SIMPLE}{_EXPONENT}{_ENDS})"
_WHOLE = r"[0-9]{1,15}"
_BLANK = rf"[ {THIN_SPACE}]"
_SCALES = {
    "dozen": 12, "hundred": 1e2, "thousand": 1e3, "lakh": 1e5, "lac": 1e5, "million": 1e6, "crore": 1e7, "billion": 1e9,
    "trillion": 1e12, "mil": 1e6, "mn": 1e6, "mln": 1e6, "bn": 1e9, "tn": 1e12, "k": 1e3, "m": 1e6, "b": 1e9,
}  # fmt: skip
# A letter multiplies only where it touches the digits, and m and b only as capitals: 5 m is five metres.
_LETTER_SCALE = r"(?:(?-i:[kK]|M|B)|bn|mn|mln|mil|tn)(?![a-z0-9'])"
_WORD_SCALE = (
    r"(?:[\s-]*(?<![a-z])(?:dozen|hundred|thousand|lakh|lac|million|crore|billion|trillion|bn|mn|mln|mil|tn)s?\b)+"
)
_HALVES = {"half": 0.5, "third": 1 / 3, "quarter": 0.25, "two thirds": 2 / 3, "three quarters": 0.75}

NUMBER = re.compile(
    rf"""
    (?:(?P<sign>(?<![\w)\]])(?:[-+]|(?:minus|negative)\b))\s*)?
    (?:(?P<currency>(?<![\w.]){CURRENCY})\s*(?P<sign_after>[-+])?\s*)?
    (?(currency)|(?<!\w)) (?<![0-9][.,'{THIN_SPACE}]) (?!0x[0-9a-f])
    (?: (?P<whole>{_WHOLE}) {_BLANK}+ (?:and[ ]+)? (?P<part>{_WHOLE}) [ ]?/[ ]? (?P<parts>{_WHOLE}) {_ENDS}
      | (?P<number>{_DIGITS}) (?:\s*/\s*(?P<divisor>{_DIGITS}))?
    )
    (?: [ ]and[ ] (?:a[ ]|one[ ])? (?P<and>half|third|quarter|two[ ]thirds|three[ ]quarters) \b )?
    (?P<scale>{_LETTER_SCALE}|{_WORD_SCALE})?
    (?P<percent> \s*% | \s*(?:percent|per\ cent)\b )?
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""A number with everything that determines its value, in text that went through `typography.plain`."""

_ARROW = re.compile(r"[-=]+>|→|⇒|⟹|≈|==")
_WRAPPED = re.compile(r"<([^<>=]*)>")
_TAG = re.compile(r"</?[a-z]{1,6}\s?/?>", re.IGNORECASE)
_COMPARISON = re.compile(r"[<>≤≥≠≮≯∈]|!=|=/=|~=")
# Sets, roots, infinity, unknown LaTeX commands: a text that holds one of them is more than a number.
_NO_NUMBER = re.compile(r"[∪∩∅∞√∫∑±‰]|\\[A-Za-z{]")
_SIGNED_GROUP = re.compile(rf"([-+])\s*\(\s*({_DIGITS}(?:\s*/\s*{_DIGITS})?)\s*\)")
_SEVERAL = re.compile(r"[,;](?![0-9]{3}(?![0-9]))|[0-9]\s+[a-z]\s*$|\b(?:and|or|but)\b", re.IGNORECASE)


def sides(text: str) -> list[str] | None:
    """The sides of an equation as plain text; a single side where there is no `=`.

    None for a text that states more than a number: comparisons (`x < 3`, `18 != 20`), sets, roots, two equations
    (`x = 3 and y = 4`). Arrows and `≈` are read as `=`, `<203>` as 203.
    """
    text = _WRAPPED.sub(r" \1 ", _TAG.sub(" ", _ARROW.sub("=", plain(text))))
    found = _SIGNED_GROUP.sub(r"\1\2", text).split("=")
    if _COMPARISON.search(text) or _NO_NUMBER.search(found[-1]):
        return None
    if any(_SEVERAL.search(side) for side in found[1:-1]):
        return None
    return found


def value_of(match: re.Match[str]) -> float | None:
    """The finite value of a match of NUMBER, ignoring a percent sign; None where there is none (`3/0`, `1 7/4`)."""
    if match["whole"] is not None:
        part, parts = int(match["part"]), int(match["parts"])
        if part >= parts:
            return None
        value = int(match["whole"]) + part / parts
    else:
        value = _float(match["number"])
        if match["divisor"] is not None:
            divisor = _float(match["divisor"])
            if divisor == 0:
                return None
            value /= divisor
    if match["and"]:
        value += _HALVES[match["and"].lower()]
    for scale in re.findall(r"[a-z]+", (match["scale"] or "").lower()):
        value *= _SCALES[scale if scale in _SCALES else scale.removesuffix("s")]
    if (match["sign"] or "+") != "+":
        value = -value
    if match["sign_after"] == "-":
        value = -value
    return value if math.isfinite(value) else None


def _float(digits: str) -> float:
    """The value of digits with any separators: 1,234.5, 1.234,5, 1'234, 1 234."""
    if re.fullmatch(r"[0-9]+(?:\.[0-9]{3})+,[0-9]+|[0-9]+(?:\.[0-9]{3}){2,}", digits):
        digits = digits.replace(".", "").replace(",", ".")
    elif re.search(rf"[ '{THIN_SPACE}]", digits):
        digits = re.sub(rf"[ '{THIN_SPACE}]", "", digits).replace(",", ".")
    return float(digits.replace(",", ""))


MULTIPLIERS = (
    "half|halves|thirds?|quarters?|fourths?|fifths?|sixths?|sevenths?|eighths?|ninths?|tenths?|hundredths?"
    "|thousandths?|millionths?|billionths?|dozens?|score|gross|grand|hundreds?|thousands?|millions?|billions?|trillions?|lakhs?|crores?"
    "|squared|cubed"
)
"""Words that turn the number before them into another one, unless NUMBER has read them already."""

# What joins two numbers into something that is not one number: 3 + 4, 10-15, 5:30, "1, 2", "5 or 6", 3(4).
_JOINT = re.compile(
    r"\s*(?:[-+*×x/÷^:;,.~&·|]|\*\*|to|or|and|minus|plus|times|over|point)?\s*"
    r"|[\s)\]]*(?:[-+*×/÷^:·]|\*\*)[\s(\[]*|\)?\(",
    re.IGNORECASE,
)
# Words that begin something new, so that a later number is not part of the answer: 18 apples in 3 boxes.
_CONTEXT = re.compile(
    r"\b(?:in|per|of|for|from|out|on|at|with|without|each|every|after|before|during|because|since|as|if|when|while"
    r"|which|where|who|that|so|then|than|an?|left|remaining|more|total|altogether)\b"
    r"|[.!?]\s|[(\[\n—]|-\s",
    re.IGNORECASE,
)
# An exponent of a unit: 5 m^2, 9 m/s^2, 210 cm 2; but 6 ft 2 in is a measure of two parts.
_EXPONENT_OF_UNIT = re.compile(
    r"\s*(?:[a-z]++\s*+[/·.]?\s*+){1,3}+(?:\^|\*\*)\s*-?[1-3](?![0-9.,])"
    r"|\s*(?:sq\s?\.?\s*)?(?:mm|cm|dm|m|km|inch(?:es)?|ft|feet|yds?|units?)\s*[23](?!\s*[\w.,])",
    re.IGNORECASE,
)
# What turns the number before it into something else: 4 π, 5!, 2 ^ n, 3 + n, 2 x, 4 squared.
_CHANGED = re.compile(
    r"[\s)\]}]*(?:[\^!π²³⁴-⁹ⁿ十百千万萬亿億兆만억천백]"
    r"|(?:pi|squared|cubed|factorial|raised|choose|mod|modulo|divided|multiplied)\b)"
    r"|\s*[)\]]?\s*(?:[*×·÷+/]\s*(?:[(\[\\|π]|[a-z](?![a-z]))|[*×·÷+]\s*[a-z])"
    r"|\s*[-:,]\s*(?!(?:a|i)\s+[a-z])[a-z](?![\w'])|\s*(?:and|or)\s+(?!(?:a|i)\s+[a-z])[a-z](?![\w'])|\s*-\s*\("
    r"|\s*(?:ab|bc|ac|xy|yz|xz|pq|mn|[xyz]{2,3})(?![\w'])",
    re.IGNORECASE,
)
# A letter that is not a unit is a variable (2 x), unless it is a word: $18 a day.
_VARIABLE = re.compile(r"\s*(?!a\.\s?m|p\.\s?m)(?:(?![mshlgCFKNJWVAL])[A-Za-z]|(?<=[\s])K)(?![\w'])")
_ARTICLE = re.compile(r"\s+(?:a|I)\s+[A-Za-z]")
_MULTIPLIER = re.compile(rf"\b(?:{MULTIPLIERS})\b", re.IGNORECASE)
# What turns the number after it into something else: n / 3, √ 3, |3, f(3), log 3, half of 6.
_CHANGES = re.compile(
    r"[/^×·÷√][\s(\[]*$|\|\s*$|[\w)\]]\s*\*\s*$|(?<![A-Za-z])[A-Za-z][(\[]$"
    r"|\b(?:sqrt|roots?|log|ln|exp|sin|cos|tan|cot|half|twice|thrice|double|triple|quadruple|quarters?|thirds?|fourths?"
    r"|fifths?|tenths?|factorial|mod|(?:square|cube|root|percent)\s+of|π|pi)\s*(?:of\s*)?(?:the\s+|an?\s+)?$",
    re.IGNORECASE,
)
# A sign after one of these is an operator: n - 3, (2) - 3.
_OPERAND_BEFORE = re.compile(r"(?:^|[^A-Za-z])[A-Za-z]\s*$|[)\]0-9]\s*$")


def is_part_of_more(text: str, match: re.Match[str]) -> bool:
    """Whether the words around a number turn it into another number, or into no number at all.

    Args:
        text: one of `sides`.
        match: the first match of NUMBER in it.
    """
    before, after = text[: match.start()], text[match.end() :]
    if match["sign"] in ("+", "-") and _OPERAND_BEFORE.search(before):
        return True
    if match["sign"] == "+" and re.search(r"\w\s*$", before):
        return True
    if _CHANGES.search(before) or _CHANGED.match(after) or _in_a_list(text, match):
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
    if _MULTIPLIER.search(" ".join(unit.split()[:3])):
        return True
    return following is not None and context is None and len(between.split()) <= 3


def _in_a_list(text: str, match: re.Match[str]) -> bool:
    """Whether a number shares its brackets with something else: (3, x), [3, 5), {3; 4}."""
    opened = max(text.rfind(bracket, 0, match.start()) for bracket in "([{")
    if opened < 0 or any(bracket in text[opened : match.start()] for bracket in ")]}"):
        return False
    closed = re.search(r"[)\]}]", text[match.end() :])
    rest = text[match.end() : match.end() + closed.start() if closed else len(text)]
    return any(sign in text[opened : match.start()] + rest for sign in ",;|")
