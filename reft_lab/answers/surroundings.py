"""What stands around a number in a sentence, and whether it leaves the number what it is."""

from __future__ import annotations

import re

from reft_lab.answers.grammar import NUMBER

MULTIPLIERS = (
    "half|halves|thirds?|quarters?|fourths?|fifths?|sixths?|sevenths?|eighths?|ninths?|tenths?|hundredths?"
    "|thousandths?|millionths?|billionths?|dozens?|score|gross|grand|hundreds?|thousands?|millions?|billions?|trillions?|lakhs?|crores?"
    "|squared|cubed"
)
"""Words that make another number of the one before them, where the grammar of a number has not read them."""

# What joins two numbers into something that is not one number: 3 + 4, 10-15, 5:30, "1, 2", "5 or 6", 3(4).
_JOINT = re.compile(
    r"\s*(?:[-+*×x/÷^:;,.~&·|]|\*\*|to|or|and|minus|plus|times|over|point)?\s*"
    r"|[\s)\]]*(?:[-+*×/÷^:·]|\*\*)[\s(\[]*|\)?\(",
    re.IGNORECASE,
)
# Words that begin something new, so that a later number is none of the answer: 18 apples in 3 boxes.
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
# What makes of the number before it something else: 4 π, 5!, 2 ^ n, 3 + n, 2 x, 4 squared.
_CHANGED = re.compile(
    r"[\s)\]}]*(?:[\^!π²³⁴-⁹ⁿ十百千万萬亿億兆만억천백]"
    r"|(?:pi|squared|cubed|factorial|raised|choose|mod|modulo|divided|multiplied)\b)"
    r"|\s*[)\]]?\s*(?:[*×·÷+/]\s*(?:[(\[\\|π]|[a-z](?![a-z]))|[*×·÷+]\s*[a-z])"
    r"|\s*[-:,]\s*(?!(?:a|i)\s+[a-z])[a-z](?![\w'])|\s*(?:and|or)\s+(?!(?:a|i)\s+[a-z])[a-z](?![\w'])|\s*-\s*\("
    r"|\s*(?:ab|bc|ac|xy|yz|xz|pq|mn|[xyz]{2,3})(?![\w'])",
    re.IGNORECASE,
)
# A letter that is no unit is a variable (2 x), unless it is a word: $18 a day.
_VARIABLE = re.compile(r"\s*(?!a\.\s?m|p\.\s?m)(?:(?![mshlgCFKNJWVAL])[A-Za-z]|(?<=[\s])K)(?![\w'])")
_ARTICLE = re.compile(r"\s+(?:a|I)\s+[A-Za-z]")
_MULTIPLIER = re.compile(rf"\b(?:{MULTIPLIERS})\b", re.IGNORECASE)
# What makes something else of the number after it: n / 3, √ 3, |3, f(3), log 3, half of 6.
_CHANGES = re.compile(
    r"[/^×·÷√][\s(\[]*$|\|\s*$|[\w)\]]\s*\*\s*$|(?<![A-Za-z])[A-Za-z][(\[]$"
    r"|\b(?:sqrt|roots?|log|ln|exp|sin|cos|tan|cot|half|twice|thrice|double|triple|quadruple|quarters?|thirds?|fourths?"
    r"|fifths?|tenths?|factorial|mod|(?:square|cube|root|percent)\s+of|π|pi)\s*(?:of\s*)?(?:the\s+|an?\s+)?$",
    re.IGNORECASE,
)
# A sign after one of these is an operator: n - 3, (2) - 3.
_OPERAND_BEFORE = re.compile(r"(?:^|[^A-Za-z])[A-Za-z]\s*$|[)\]0-9]\s*$")


def is_part_of_more(text: str, match: re.Match[str]) -> bool:
    """Whether what stands around a number in a sentence makes another number, or no number, of it.

    Args:
        text: one side of what `grammar.sides` gave.
        match: the first match of `grammar.NUMBER` in it.
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
    """Whether a number stands in brackets with more than itself: (3, x), [3, 5), {3; 4}."""
    opened = max(text.rfind(bracket, 0, match.start()) for bracket in "([{")
    if opened < 0 or any(bracket in text[opened : match.start()] for bracket in ")]}"):
        return False
    closed = re.search(r"[)\]}]", text[match.end() :])
    rest = text[match.end() : match.end() + closed.start() if closed else len(text)]
    return any(sign in text[opened : match.start()] + rest for sign in ",;|")
