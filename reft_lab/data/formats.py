"""The formats that records come in: each is recognised by its keys and read into a Record.

Three are the data sets' own (GSM8K, SVAMP, MathQA), as files or as rows from the hub; one is the format of the files
that the paper's authors released (item_id, question, answer_cot, answer_value).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from reft_lab.answers.letters import option_letters
from reft_lab.answers.numbers import read_whole
from reft_lab.data.options import option_number, parse_options, split_question, with_options
from reft_lab.data.problem import Broken, Record, Unusable

Row = Mapping[str, Any]

_MOST_KEYS, _LONGEST_KEY = 5, 40  # the most that a message lists, and the most characters of one


@dataclass(frozen=True)
class Format:
    """How a format is recognised and read. The case of keys does not matter.

    Attributes:
        keys: keys that a record of this format has.
        any_of: it has at least one of these keys, unless the set is empty.
        more: other keys that are read.
        carriers: keys that may hold reasoning, in words, as a program or as a formula.
        read: (row with keys as they are spelled here, id, source) -> Record; raises Broken.
        shown: the format in a few words, for messages.
    """

    keys: frozenset[str]
    read: Callable[[Row, str, str], Record]
    shown: str
    carriers: tuple[str, ...]
    any_of: frozenset[str] = frozenset()
    more: frozenset[str] = frozenset()


def recognise(row: object) -> str | None:
    """The name of the format of a record; None for an unknown one."""
    if not isinstance(row, Mapping):
        return None
    there = {key.lower(): value for key, value in row.items() if isinstance(key, str)}
    names = [name for name, form in FORMATS.items() if _lower(form.keys) <= there.keys()]
    return next((name for name in names if _is_told_apart(FORMATS[name], there)), None)


def read_record(row: object, id: str, source: str) -> Record:
    """A record of any known format.

    Raises:
        Broken: it is of no known format, or lacks something, or its answer cannot be read.
    """
    if not isinstance(row, Mapping):
        raise Broken("not a JSON object")
    name = recognise(row)
    if name is None:
        raise Broken(f"keys of no known format ({listed(row)})")
    record = FORMATS[name].read(_spelled(row, FORMATS[name]), id, source)
    texts = (record.id, record.question, record.reasoning, record.program, record.formula, *record.options)
    if (half := _HALF.search("\n".join(filter(None, texts)))) is not None:
        raise Broken(f"half a character (\\u{ord(half[0]):04x}), which is not text")
    return record


_HALF = re.compile("[\ud800-\udfff]")  # of a pair that stands for one character, as JSON may write it


def listed(keys: Iterable[object]) -> str:
    """A few of the keys of a record, and how many more there are."""
    shown = [key if len(key) <= _LONGEST_KEY else f"{key[:_LONGEST_KEY]}..." for key in map(str, keys)]
    rest = len(shown) - _MOST_KEYS
    return ", ".join(shown[:_MOST_KEYS]) + (f" and {rest} more" if rest > 0 else "") or "no keys"


def _lower(keys: Iterable[str]) -> set[str]:
    return {key.lower() for key in keys}


def _is_told_apart(form: Format, there: Mapping[str, object]) -> bool:
    """Whether a record with the keys of `form` is of that format, which may share its keys with another."""
    if not form.any_of:
        return True
    return bool(_lower(form.any_of) & there.keys()) and "####" not in str(there.get("answer"))


def _spelled(row: Row, form: Format) -> Row:
    """`row` with the keys that are read as `form` spells them; Broken where it has one twice, spelled in two ways."""
    known = {key.lower(): key for key in form.keys | form.any_of | form.more}
    spelled: dict[str, Any] = {}
    for key, value in row.items():
        name = known.get(str(key).lower(), str(key))
        if name in spelled:
            raise Broken(f"{name} is there twice")
        spelled[name] = value
    return spelled


def plain_number(value: object) -> str | None:
    """A finite number, or a text that is one as a whole, as a plain decimal: 18, 0.25, -3; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        read = read_whole(value)
        number = read.value if read is not None else None
    else:
        number = float(value)
    if number is None or not math.isfinite(number):
        return None
    return str(int(number)) if number.is_integer() else f"{Decimal(repr(number)):f}"


def _gsm8k(row: Row, id: str, source: str) -> Record:
    question, text = _text(row, "question"), _text(row, "answer")
    reasoning, mark, final = text.rpartition("####")
    if not mark:
        raise Broken("answer has no `####` line")
    answer = plain_number(final)
    if answer is None:
        raise Broken(f"answer {final.strip()!r} is not a single number")
    earlier = _ANSWER_LINE.search(reasoning)
    if earlier is not None and plain_number(earlier[1]) is not None:
        if plain_number(earlier[1]) != answer:
            raise Broken(f"answer has two `####` lines, {earlier[1].strip()!r} and {final.strip()!r}")
        reasoning = reasoning[: earlier.start()]
    return Record(id, question, answer, source, "gsm8k", reasoning=reasoning.rstrip() or None)


_ANSWER_LINE = re.compile(r"####([^\n#]*)")


def _svamp(row: Row, id: str, source: str) -> Record:
    asked = _text(row, "question_concat") if row.get("question_concat") else None
    question = asked or _sentence(_text(row, "Body")) + " " + _text(row, "Question")
    answer = plain_number(row.get("Answer"))
    if answer is None:
        raise Broken(f"Answer {row.get('Answer')!r} is not a single number")
    equation = row.get("Equation")
    return Record(
        str(row.get("ID") or id),
        question,
        answer,
        source,
        "svamp",
        formula=next((each for each in (equation, row.get("Formula")) if isinstance(each, str) and each.strip()), None),
    )


def _mathqa(row: Row, id: str, source: str) -> Record:
    options = parse_options(_text(row, "options"))
    if not options:
        raise Broken(f"options {row['options']!r} are not a list of options")
    rationale, formula = row.get("Rationale"), row.get("linear_formula")
    return Record(
        id,
        with_options(_text(row, "Problem"), options),
        _letter(row, "correct", options),
        source,
        "mathqa",
        options,
        reasoning=rationale if isinstance(rationale, str) and rationale.strip() else None,
        formula=formula if isinstance(formula, str) and formula.strip() else None,
    )


def _authors(row: Row, id: str, source: str) -> Record:
    id, question = str(row["item_id"] or id), _text(row, "question")
    stem, options = split_question(question)
    value = row.get("answer_value")
    if options and isinstance(value, str) and (_bare_letter(value).isalpha() or _MARKED.match(value)):
        question, answer = with_options(stem, options), _letter(row, "answer_value", options)
    else:
        options = ()
        number = plain_number(value)
        if number is None:
            raise Broken(f"answer_value {value!r} is not a single number")
        answer = number
    cot = row.get("answer_cot")
    cot = cot if isinstance(cot, str) and cot.strip() else None
    is_program = cot is not None and _SOLUTION.search(cot) is not None
    return Record(
        id,
        question,
        answer,
        source,
        "authors",
        options,
        reasoning=None if is_program else cot,
        program=cot if is_program else None,
    )


def as_numeric(record: Record) -> Record:
    """For MathQA-numeric: `record` with the number of its right option as the answer and without its options.

    One that is numeric already is returned as it is.

    Raises:
        Unusable: the right option is not a number.
    """
    if not record.options:
        return record
    number = option_number(record.options[option_letters(len(record.options)).index(record.answer)])
    answer = plain_number(number)
    if answer is None:
        raise Unusable("whose right option is not a number")
    stem, _ = split_question(record.question)
    return replace(record, question=stem, answer=answer, options=())


_MARKED = re.compile(r"\W*[A-Ha-h]\s*\)")  # a ) 24: an option, not the number 24
_SOLUTION = re.compile(r"^def \w+\(", re.MULTILINE)


def _text(row: Row, key: str) -> str:
    """The non-empty text under `key`."""
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise Broken(
            f"{key} is missing" if value is None else f"{key} is empty" if value == "" else f"{key} is not text"
        )
    return value.strip()


def _letter(row: Row, key: str, options: tuple[str, ...]) -> str:
    """The option letter under `key`, in lower case."""
    text = _text(row, key)
    letter = _bare_letter(text)
    if len(letter) != 1 or letter not in option_letters(len(options)):
        raise Broken(f"{key} {text!r} is not the letter of an option")
    return letter


def _bare_letter(text: str) -> str:
    """`B` and `(b)` as `b`."""
    return text.strip("()[]. ").lower()


def _sentence(text: str) -> str:
    """SVAMP's bodies come with and without a full stop."""
    return text if text.endswith((".", "!", "?", ",", ";", ":")) else text + "."


FORMATS: dict[str, Format] = {
    "authors": Format(
        frozenset({"item_id", "question", "answer_value"}),
        _authors,
        "item_id, question, answer_cot, answer_value",
        carriers=("answer_cot",),
        more=frozenset({"answer_cot"}),
    ),
    "svamp": Format(
        frozenset({"Question", "Answer"}),
        _svamp,
        "Body, Question, Equation or Formula, Answer (SVAMP, ASDiv)",
        carriers=("Equation", "Formula"),
        any_of=frozenset({"Body", "question_concat", "Equation", "Formula"}),
        more=frozenset({"ID"}),
    ),
    "gsm8k": Format(frozenset({"question", "answer"}), _gsm8k, "question, answer (GSM8K)", carriers=("answer",)),
    "mathqa": Format(
        frozenset({"Problem", "options", "correct"}),
        _mathqa,
        "Problem, Rationale, options, correct, linear_formula (MathQA)",
        carriers=("Rationale", "linear_formula"),
        more=frozenset({"Rationale", "linear_formula"}),
    ),
}
"""In the order in which they are tried."""
