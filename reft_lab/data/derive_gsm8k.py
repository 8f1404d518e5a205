"""A program from reasoning that shows its calculations, as GSM8K does: `48/2 = <<48/2=24>>24 clips in May`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from reft_lab.answers.compare import numbers_match
from reft_lab.answers.grammar import CURRENCY, SIGN
from reft_lab.answers.typography import THIN_SPACE, plain_signs
from reft_lab.data.problem import Record, Unusable
from reft_lab.data.program_text import (
    OPERATORS,
    Names,
    evaluate,
    is_number,
    literal,
    name_of,
    program,
    spaced,
    tokenize,
)

_PLAIN_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?|\.\d+"
# An annotation <<48/2=24>>, or an equation without one: 7 - 2 = 5 days.
_STATED = re.compile(
    rf"<<(?P<expression>[^<>=]*)=(?P<value>[^<>=]*)>>(?:\$?(?:{_PLAIN_NUMBER})%?)?"
    rf"|=\s*\$?(?P<plain>{_PLAIN_NUMBER})(?![\d,]*\d)%?"
)
_LEFT_SIDE = re.compile(
    rf"(?P<number>{_PLAIN_NUMBER})(?P<percent>\s*%)?|(?P<sign>[-+*/()\u00d7\u00f7]|\bx\b)|[^\W\d]+|[\s$.,']+"
)
_SIGNS = {"\u00d7": "*", "x": "*", "\u00f7": "/"}
_CURRENCY = re.compile(rf"(?<![\w.]){CURRENCY}\s*(?=[-.]?[0-9])|{SIGN}", re.IGNORECASE)
_APART = re.compile(rf"(?<![\d.,])[1-9]\d{{0,2}}(?:[{THIN_SPACE}' ]\d{{3}})+(?!\d)")
_NUMBER = re.compile(_PLAIN_NUMBER)
_NUMBER_WORDS = {
    word: Decimal(number)
    for number, words in {
        0: ("zero",), 1: ("one", "once"),
        2: ("two", "twice", "double", "half", "pair"), 3: ("three", "thrice", "triple"),
        4: ("four", "quarter"), 5: ("five",), 6: ("six",), 7: ("seven", "week"), 8: ("eight",), 9: ("nine",),
        10: ("ten",), 11: ("eleven",), 12: ("twelve", "dozen"),
    }.items()
    for word in words
}  # fmt: skip


@dataclass
class Step:
    """One calculation of the reasoning, between the words `before` and `after`."""

    parts: list[str]
    stated: Decimal  # the value its author wrote
    written_out: bool  # found in the words, not in an annotation
    before: str
    after: str
    links: dict[int, int] = field(default_factory=dict)  # place in `parts` -> index of the step that gave this number


def derive(record: Record) -> str:
    """The program that does the calculations of `record.reasoning` one by one.

    A number in a calculation that is the result of an earlier one, and not a number of the question, is written as that
    earlier result; so is a number that is both, where the earlier result would otherwise stay unused.

    Raises:
        Unusable: the reasoning shows no calculation, or none that gives the answer.
    """
    steps = list(_steps(_plain(record.reasoning or "")))
    if not steps:
        raise Unusable("without a calculation in the reasoning")
    steps = steps[: _last_to_give(Decimal(record.answer), steps) + 1]
    _link(steps, _numbers_of(_plain(record.question)))
    names = Names()
    lines: list[str] = []
    named: dict[int, str] = {}
    for index in _needed(steps):
        step = steps[index]
        parts = [
            named[step.links[place]] if place in step.links else literal(part) if is_number(part) else part
            for place, part in enumerate(step.parts)
        ]
        named[index] = names.new(name_of(step.before, step.after) or f"step_{len(named) + 1}")
        lines.append(f"{named[index]} = {spaced(parts)}")
    return program(record.question, lines, named[len(steps) - 1])


def _steps(reasoning: str) -> Iterator[Step]:
    """The calculations of a text in order; a value that is merely stated (`<<50=50>>`) does not count."""
    matches = list(_STATED.finditer(reasoning))
    for number, match in enumerate(matches):
        start = matches[number - 1].end() if number else 0
        end = matches[number + 1].start() if number + 1 < len(matches) else len(reasoning)
        before, after = reasoning[start : match.start()], reasoning[match.end() : end]
        stated = _decimal(match["value"] if match["plain"] is None else match["plain"])
        if stated is None:
            continue
        parts = tokenize(_bare(match["expression"])) if match["plain"] is None else None
        if not parts or len(parts) < 3:
            parts = _left_side(before.rstrip(" $=") if match["plain"] is None else before, stated)
        if parts:
            yield Step(parts, stated, match["plain"] is not None, _words(before), after)


def _left_side(text: str, stated: Decimal) -> list[str] | None:
    """The longest calculation at the end of `text` that gives `stated`; words in it are units (`3 boxes * 4`)."""
    parts: list[str] = []
    position = text.rfind("\n") + 1
    while position < len(text):
        match = _LEFT_SIDE.match(text, position)
        if match is None:
            parts, position = [], position + 1
            continue
        position = match.end()
        if match["number"]:
            number = match["number"].replace(",", "")
            parts += ["(", number, "/", "100", ")"] if match["percent"] else [number]
        elif match["sign"]:
            parts.append(_SIGNS.get(match["sign"], match["sign"]))
    for start in range(len(parts) - 2):
        suffix = parts[start:]
        if suffix[0] not in "+*/" and any(part in OPERATORS for part in suffix[1:]):
            value = evaluate(suffix)
            if value is not None and numbers_match(value, float(stated)):
                return suffix
    return None


def _last_to_give(answer: Decimal, steps: list[Step]) -> int:
    """Index of the last step that gives the answer, an annotated one if there is any."""
    for wanted in (False, True):
        for index in reversed(range(len(steps))):
            if steps[index].written_out == wanted and numbers_match(float(steps[index].stated), float(answer)):
                return index
    raise Unusable("whose calculations do not come to the answer")


def _link(steps: list[Step], given: set[Decimal]) -> None:
    """Link each number that is the result of an earlier step to that step."""
    values = [evaluate(step.parts) for step in steps]
    # Nothing is linked to a step that its author rounded or got wrong: the program would compute another value.
    sound = [
        value is not None and numbers_match(value, float(step.stated))
        for value, step in zip(values, steps, strict=True)
    ]
    doubtful: dict[int, list[tuple[int, int]]] = {}
    for index, step in enumerate(steps):
        for place, part in enumerate(step.parts):
            if not is_number(part):
                continue
            number = Decimal(part)
            source = next((j for j in reversed(range(index)) if sound[j] and steps[j].stated == number), None)
            if source is None:
                continue
            if number in given:
                doubtful.setdefault(source, []).append((index, place))
            else:
                step.links[place] = source
    for source, uses in doubtful.items():
        if not any(source in step.links.values() for step in steps):
            index, place = uses[0]
            steps[index].links[place] = source


def _needed(steps: list[Step]) -> list[int]:
    """All annotated steps, and those others that a later step builds on."""
    needed = {len(steps) - 1}
    for index in reversed(range(len(steps))):
        if index in needed or not steps[index].written_out:
            needed |= {index, *steps[index].links.values()}
    return sorted(needed)


def _numbers_of(question: str) -> set[Decimal]:
    """The numbers that a question gives, in figures and in words; percentages also as fractions."""
    found = {Decimal(number.replace(",", "")) for number in _NUMBER.findall(question)}
    words = {_NUMBER_WORDS[word] for word in re.findall(r"[a-z]+", question.lower()) if word in _NUMBER_WORDS}
    return found | words | {number / 100 for number in found}


def _words(before: str) -> str:
    """The text on the line before a calculation, without the calculation itself."""
    return re.sub(r"[-+*/x\u00d7\u00f7().,$%=\d\s]*$", "", before.rpartition("\n")[2])


def _plain(text: str) -> str:
    """`text` with `$` for every currency (¥, ₹, R$, CHF) and commas for every separator of thousands (1 234, 1'234)."""
    text = _CURRENCY.sub("$", plain_signs(text))
    return _APART.sub(lambda number: re.sub(rf"[{THIN_SPACE}' ]", ",", number[0]), text)


def _bare(calculation: str) -> str:
    """A calculation without currency signs and thousands separators, in Python's operators."""
    calculation = re.sub(r"\$|(?<=\d),(?=\d{3}(?!\d))", "", calculation)
    return re.sub(r"[\u00d7\u00f7]|\bx\b", lambda sign: _SIGNS[sign[0]], calculation)


def _decimal(text: str) -> Decimal | None:
    text = text.strip(" $%").replace(",", "")
    return Decimal(text) if re.fullmatch(r"[-+]?(?:\d+\.?\d*|\.\d+)", text) else None
