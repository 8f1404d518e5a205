"""When two questions are alike: equal, equal but for spelling, or equal but for numbers and names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeVar

from reft_lab.data.options import split_question
from reft_lab.data.problem import Problem, Record

LIKENESS = ("exact", "normalised", "masked")
"""The degrees of likeness, the strictest first: questions that are alike in one are alike in all later ones."""

_REMEMBERED = 100_000  # questions; each is parsed once, however often it is compared

_TOKEN = re.compile(
    r"(?P<number>\d{1,3}(?:,\d{2,3})*,\d{3}(?:\.\d+)?|\d*\.\d+|\d+)|(?P<word>[^\W\d_]+)|(?P<end>[.!?])"
    r"|(?P<sign>[^\w\s])"
)
_SIGNS, _SIGN_CATEGORIES = "-*/^%°", ("Sm", "Sc")  # signs that change what a question asks; the rest is punctuation
_WRITTEN_ALIKE = str.maketrans("×÷−–", "*/--")
_LISTED = """
a about after again all also although altogether am an and another any are as assume assuming at
be because been before being between both but by calculate can compute could
determine did do does down due during each either every express few find first for from given
had half has have how however i if in including initially instead into is it its just last later let
many may me might more most much must my neither next no nor not now of off on once one only or originally other
our out over per second several shall should simplify since so solve some still suppose
than that the their them then there these they third this those though through to today together tomorrow
under until up us was we were what when where whether which while who whom whose why will with without would
yesterday yet you your
"""
_FUNCTION_WORDS = frozenset(_LISTED.split())
_PRONOUNS = {"he": "he", "she": "he", "him": "his", "her": "his", "his": "his", "hers": "his"}
_TITLES = frozenset({"mr", "mrs", "ms", "miss", "dr"})
_COUNTED = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion dozen
"""
_NUMBER_WORDS = frozenset(_COUNTED.split())


def asked(item: Record | Problem) -> str:
    """The question without its options, in lower case and single spaces: equal texts are the same question."""
    return " ".join(_stem(item).lower().split())


def likenesses(item: Record | Problem) -> dict[str, str]:
    """For each degree of likeness, a text that is the same for questions that are alike in that degree."""
    return dict(zip(LIKENESS, _forms(_stem(item)), strict=True))


def normalised(text: str) -> str:
    """`text` without case, blanks, punctuation and number format: `It costs $ 1,027.0 .` -> `itcosts$|1027|`.

    Arithmetic signs (`x + 3` is not `x - 3`) and currency signs stay; a hyphen is a minus where a number follows.
    """
    return _forms(text)[1]


def masked(text: str) -> str:
    """`text` as `normalised` has it, with one sign for every number and one for every name.

    Numbers are digits and number words. Names are recognised without a list of names: in a text with capital and small
    letters, every word that is always capitalised; in any other text, every word that begins a sentence, wherever else
    it stands; never a function word (the, how, if, there). Several names in a row count as one, titles (Mrs.) are part
    of a name, and `he` and `she` are the same word, since the name decides between them. A word that is mistaken for a
    name (`Eggs cost ...`) makes a family larger, never smaller.
    """
    return _forms(text)[2]


def masked_words(item: Record | Problem) -> list[str]:
    """The words and signs of a question, without its options, as `masked` has them."""
    return _written(_stem(item))[1]


@lru_cache(maxsize=_REMEMBERED)
def _forms(text: str) -> tuple[str, str, str]:
    """The text of a question in each degree of likeness."""
    exact = " ".join(text.lower().split())
    plain, mask = _written(text)
    return exact, "".join(plain) or exact, "".join(mask) or exact


def _written(text: str) -> tuple[list[str], list[str]]:
    """The words and signs of a text, normalised and masked."""
    tokens = _tokens(text)
    names = _names(tokens, is_cased=text != text.lower() and text != text.upper())
    plain: list[str] = []
    mask: list[str] = []
    for kind, token, _ in tokens:
        word = token.lower()
        if kind == "number":
            plain.append(f"|{_plain(token)}|")  # so that `1 2` is not `12`
            mask.append("#")
        elif kind == "word":
            plain.append(word)
            if word in _NUMBER_WORDS:
                _append_once(mask, "#")
            elif word in names:
                _append_once(mask, "@")
            else:
                mask.append(_PRONOUNS.get(word, word))
        elif kind == "sign":
            plain.append(token)
            mask.append(token)
    return plain, mask


def _append_once(parts: list[str], part: str) -> None:
    """Append `part`, unless it is the last one."""
    if parts[-1:] != [part]:
        parts.append(part)


def _names(tokens: list[tuple[str, str, bool]], *, is_cased: bool) -> set[str]:
    """The words of a question that are names, in lower case."""
    words = [(token, begins) for kind, token, begins in tokens if kind == "word"]
    if is_cased:
        small = {token for token, _ in words if not token[0].isupper()}
        found = {token.lower() for token, _ in words} - small
    else:
        found = {token.lower() for token, begins in words if begins}
    return (found | _TITLES) - _FUNCTION_WORDS - _NUMBER_WORDS - _PRONOUNS.keys()


def _tokens(text: str) -> list[tuple[str, str, bool]]:
    """The tokens of a text: what each is, the token, and whether it begins a sentence."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_WRITTEN_ALIKE)
    found: list[tuple[str, str, bool]] = []
    begins = True
    for match in _TOKEN.finditer(text):
        kind = str(match.lastgroup)
        if kind == "sign" and not _counts(match):
            continue
        found.append((kind, match[0], begins))
        begins = kind == "end"
    return found


def _counts(sign: re.Match[str]) -> bool:
    """Whether a character that is neither letter nor digit is more than punctuation."""
    if sign[0] == "-":
        return sign.string[sign.end() : sign.end() + 3].lstrip()[:1].isdigit()
    return sign[0] in _SIGNS or unicodedata.category(sign[0]) in _SIGN_CATEGORIES


def _plain(number: str) -> str:
    """`1,027.50` -> `1027.5`, `.5` -> `0.5`, `007` -> `7`."""
    whole, _, fraction = number.replace(",", "").partition(".")
    fraction = fraction.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{fraction}" if fraction else "")


def _stem(item: Record | Problem) -> str:
    return split_question(item.question)[0] if item.options else item.question


Asked = TypeVar("Asked", Record, Problem)
PAIRS = (("train", "dev"), ("train", "test"), ("dev", "test"))


def families(items: Sequence[Record | Problem], likeness: str) -> list[str]:
    """For each item, the name of its family; items of one family are alike, directly or through others.

    Copies that differ in case may be masked differently (names are recognised by their capital letter), so `masked`
    families are joined where they share a normalised question. A family is named for the first of its texts in
    alphabetical order, so the order of the items does not matter.

    Args:
        likeness: `exact`, `normalised` or `masked`.
    """
    texts = [likenesses(item) for item in items]
    if likeness != "masked":
        return [each[likeness] for each in texts]
    root: dict[str, str] = {}

    def find(text: str) -> str:
        while root.setdefault(text, text) != text:
            root[text] = root[root[text]]
            text = root[text]
        return text

    by_copy: dict[str, str] = {}
    for each in texts:
        ends = sorted((find(each["masked"]), find(by_copy.setdefault(each["normalised"], each["masked"]))))
        root[ends[1]] = ends[0]
    return [find(each["masked"]) for each in texts]


class Seen:
    """A set of questions to compare others with, in every degree of likeness."""

    def __init__(self, items: Iterable[Record | Problem]):
        texts = [likenesses(item) for item in items]
        self._texts = {likeness: {each[likeness] for each in texts} for likeness in LIKENESS}

    def holds(self, item: Record | Problem, likeness: str) -> bool:
        """Whether the set holds a question like `item` in that degree or in a stricter one."""
        texts = likenesses(item)
        degrees = LIKENESS[: LIKENESS.index(likeness) + 1]
        return any(texts[degree] in self._texts[degree] for degree in degrees)


def duplicates(splits: dict[str, list[Problem]]) -> dict[str, dict[str, int]]:
    """How many questions occur in a data set more than once, by degree of likeness.

    Args:
        splits: problems by `train`, `dev` and `test`.

    Returns:
        For each degree: by split, the number of its problems that are like an earlier one of the same split; and by
        pair of splits (`train/test`), the number of problems of the second that are like one of the first.
    """
    found: dict[str, dict[str, int]] = {}
    seen = {split: Seen(problems) for split, problems in splits.items()}
    for likeness in LIKENESS:
        counts = {split: len(items) - len(set(families(items, likeness))) for split, items in splits.items()}
        for first, second in PAIRS:
            counts[f"{first}/{second}"] = sum(seen[first].holds(item, likeness) for item in splits[second])
        found[likeness] = counts
    return found
