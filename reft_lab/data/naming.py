"""What to call the result of a calculation, from the words around it."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Za-z][A-Za-z']*")
_CLAUSE_END = re.compile(r"[.,;:!?()=+*/<>\n\d-]")
# Words at which the name of what is counted ends ("24 clips in May"), words that name nothing, and words that are
# too little of a name ("5 more").
_ENDING = """
    a after all also an and as at because before both but by during each every from he her his how i if is it its it's
    more my on or our she since so than that the their then there they this those to was we were when where which
    while who will with would you your are be been can had has have did does do needs need in for
"""
_EMPTY = """
    a an the of for to in on at by is are was were be been being has have had would will can could should did does do
    so then thus therefore hence now this that that's these those there it it's he she they we you i his her their
    its my our and but or with each every all only just also first next finally since because if when after before as
    which who get gets got make makes made left worth more than from find need needs means altogether total another
    per x
"""
_ENDS_A_NAME = frozenset(_ENDING.split())
_LEADING = frozenset(_EMPTY.split())
_WEAK = frozenset({"left", "more", "total", "altogether", "each", "remaining", "extra", "worth", "away"})
_MOST_WORDS = 3


def name_of(before: str, after: str) -> str | None:
    """A name for the number that stands between `before` and `after` in a text, None where they give none.

    What follows a number usually says what it counts ("24 clips in May": clips); where nothing does, the words that
    lead to it say so ("The total cost is": total_cost).
    """
    following = _following(after)
    if following and not set(following) <= _WEAK:
        return "_".join(following)
    leading = _leading(before)
    if leading:
        return "_".join(leading)
    return "_".join(following) if following else None


def _following(after: str) -> list[str]:
    end = _CLAUSE_END.search(after)
    words = [_plain(word) for word in _WORD.findall(after[: end.start()] if end else after)]
    name: list[str] = []
    for word in words:
        if word in _ENDS_A_NAME:
            if name:
                break
            if word not in _LEADING:
                return []
            continue
        name.append(word)
        if len(name) == _MOST_WORDS:
            break
    while name and name[-1] in ("of", "per"):
        name.pop()
    return name[1:] if name and name[0] == "of" else name


def _leading(before: str) -> list[str]:
    clause = re.split(r"[.,;:!?\n]\s", before.rstrip(" $=€£"))[-1]
    words = [_plain(word) for word in _WORD.findall(clause)]
    return [word for word in words if word not in _LEADING and len(word) > 1][-_MOST_WORDS:]


def _plain(word: str) -> str:
    """In lower case, without the apostrophe of a possessive."""
    word = word.lower()
    return word.removesuffix("'s").replace("'", "")
