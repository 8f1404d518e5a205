"""Files and hub rows into records; what cannot be read is named by file and line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reft_lab.data.formats import FORMATS, read_record, recognise
from reft_lab.data.records import Broken, Record
from reft_lab.errors import BadInput

MOST_BROKEN = 0.01
"""Share of broken records above which a source is refused."""

Row = tuple[int, str, object]
"""A number that no other row of the source has, where the row stands (for people), and the row."""

_SPACE = re.compile(r"\s*")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Batch:
    """The records of one source.

    Attributes:
        records: those that could be read, in order.
        broken: `SOURCE:LINE: why` for each of the others.
    """

    records: list[Record] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """Stands for a line that is no JSON."""

    why: str


def read_file(path: Path, id_prefix: str) -> Batch:
    """All records of a JSON array or of a file with one JSON object a line, in any known format.

    Args:
        id_prefix: what the ids of records without one of their own begin with.

    Raises:
        BadInput: the file cannot be opened, is empty, is no JSON, has an unknown format, or more than 1 % of its
            records are broken.
    """
    return read_rows(_rows(_text(path), str(path)), str(path), id_prefix, path.name)


def read_rows(rows: Iterable[Row], shown: str, id_prefix: str, short: str) -> Batch:
    """Records from rows.

    Args:
        shown: what the source is called in messages.
        short: what it is called in `Record.source`.

    Raises:
        BadInput: no row is in a known format, or more than 1 % of them are broken.
    """
    records: list[Record] = []
    broken: list[str] = []
    known = False
    first: object = None
    for number, place, row in rows:
        first = row if first is None else first
        known = known or recognise(row) is not None
        try:
            if isinstance(row, _Unreadable):
                raise Broken(row.why)
            records.append(read_record(row, f"{id_prefix}-{number}", f"{short}:{place}"))
        except Broken as error:
            broken.append(f"{shown}:{place}: {error}")
    if not records and not broken:
        raise BadInput(f"{shown} holds no records; give a file with at least a few problems")
    if not known:
        raise BadInput(_unknown(shown, first))
    share = len(broken) / (len(records) + len(broken))
    if share > MOST_BROKEN:
        raise BadInput(
            f"{len(broken)} of {len(records) + len(broken)} records are broken, more than {MOST_BROKEN:.0%}: "
            f"{'; '.join(broken[:3])}{'; ...' if len(broken) > 3 else ''}; mend or remove them"
        )
    return Batch(records, broken)


def first_row(path: Path) -> object:
    """The first record of a file, None where there is none that can be read."""
    try:
        return next((row for *_, row in _rows(_text(path), str(path)) if not isinstance(row, _Unreadable)), None)
    except BadInput:
        return None


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is no UTF-8 text (byte {error.start}); give a .json or .jsonl file") from None
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read ({error.strerror}); check data.path, data.train, data.dev, data.test"
        ) from None
    if not text.strip():
        raise BadInput(f"{path} is empty; give a file with problems in it")
    return text


def _rows(text: str, shown: str) -> Iterator[Row]:
    start = text.lstrip()[:1]
    if start == "[":
        return _array(text, shown)
    if start == "{":
        return _lines(text)
    raise BadInput(f"{shown} is neither a JSON array nor one JSON object a line (it begins with {text.strip()[:20]!r})")


def _array(text: str, shown: str) -> Iterator[Row]:
    """The records of a JSON array, with the lines on which they begin."""
    position, counted, line, number = text.index("[") + 1, 0, 1, 0
    expects_comma = False
    while True:
        position = _SPACE.match(text, position).end()  # type: ignore[union-attr]
        line += text.count("\n", counted, position)
        counted = position
        if text[position : position + 1] == "]":
            return
        if expects_comma:
            if text[position : position + 1] != ",":
                raise BadInput(f"{shown}:{line}: not valid JSON (a comma or ] is missing); mend the file there")
            position, expects_comma = position + 1, False
            continue
        try:
            row, position = _DECODER.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise BadInput(f"{shown}:{error.lineno}: not valid JSON ({error.msg}); mend the file there") from None
        number += 1
        yield number, f"{line} (record {number})", row
        expects_comma = True


def _lines(text: str) -> Iterator[Row]:
    """The records of a file with one a line; blank lines are none."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield number, str(number), json.loads(line)
            except json.JSONDecodeError as error:
                yield number, str(number), _Unreadable(f"not valid JSON ({error.msg})")


def _unknown(shown: str, first: object) -> str:
    known = "; ".join(form.shown for form in FORMATS.values())
    if isinstance(first, dict):
        why = f"its records have {', '.join(first) or 'no keys'}"
    else:
        why = first.why if isinstance(first, _Unreadable) else "its records are no JSON objects"
    return f"{shown} has an unknown format ({why}); expected is one of: {known}"
