"""Turns files and hub rows into records; what cannot be read is reported by file and line."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from reft_lab.data.file_names import other_kind
from reft_lab.data.formats import FORMATS, listed, read_record, recognise
from reft_lab.data.problem import Broken, Record
from reft_lab.errors import BadInput
from reft_lab.numbers import per_cent
from reft_lab.text import did_you_mean, in_words

MOST_BROKEN = 0.01
"""Share of broken records above which a source is refused."""

Row = tuple[int, str, object]
"""The number of a row, unique in its source; where the row stands, for people; and the row."""

_SPACE = re.compile(r"\s*")


@dataclass(frozen=True)
class Batch:
    """The records of one source.

    Attributes:
        records: those that could be read, in order.
        broken: `SOURCE:LINE: why` for each of the others.
        keys: of the first row, as the source has them.
        notes: sentences on how it was read.
    """

    records: list[Record] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    keys: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """Stands for a line that is not JSON, or for an object that has a key twice."""

    why: str


def _object(pairs: list[tuple[str, object]]) -> dict[str, object] | _Unreadable:
    """A JSON object; a repeated key, whose last value would silently win, makes it unreadable."""
    row = dict(pairs)
    if len(row) == len(pairs):
        return row
    keys = [key for key, _ in pairs]
    return _Unreadable(f"{next(key for key in keys if keys.count(key) > 1)} is there twice")


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def read_files(paths: Sequence[Path], id_prefix: str) -> Batch:
    """All records of one file, or of the shards of one, in order; as `read_file`.

    Raises:
        BadInput: as `read_file`.
    """
    first, *others = [
        read_file(path, id_prefix if number == 0 else f"{id_prefix}-{number}") for number, path in enumerate(paths)
    ]
    for other in others:
        first = replace(
            first,
            records=first.records + other.records,
            broken=first.broken + other.broken,
            notes=first.notes + other.notes,
        )
    return first


def read_file(path: Path, id_prefix: str) -> Batch:
    """All records of a JSON array, of an object whose values they are, or of a file with one JSON object a line.

    Every known format is read, and the file may be compressed with gzip (`.gz`).

    Args:
        id_prefix: what the ids of records without one of their own begin with.

    Raises:
        BadInput: the file cannot be opened, is empty, is not JSON, has an unknown format, or more than 1 % of its
            records are broken.
    """
    rows, note = _rows(_text(path), str(path))
    batch = read_rows(rows, str(path), id_prefix, path.name)
    return replace(batch, notes=(f"{path.name} {note}",)) if note else batch


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
            f"{len(broken)} of {len(records) + len(broken)} records are broken, more than "
            f"{per_cent(MOST_BROKEN, 0)} %: {'; '.join(broken[:3])}{'; ...' if len(broken) > 3 else ''}; "
            "fix or remove them"
        )
    return Batch(records, broken, tuple(map(str, first)) if isinstance(first, Mapping) else ())


def first_row(path: Path) -> object:
    """The first record of a file; None where no record can be read."""
    try:
        rows, _ = _rows(_text(path), str(path))
        return next((row for *_, row in rows if not isinstance(row, _Unreadable)), None)
    except BadInput:
        return None


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        if path.suffix.lower() == ".gz":
            data = gzip.decompress(data)
        if (other := other_kind(path, data)) is not None:
            raise BadInput(f"{path} is {other}")
        text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{path} is not UTF-8 text (byte {error.start}); give a .json or .jsonl file, saved as UTF-8"
        ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadInput(f"{path} is not a complete gzip file ({error}); download it again") from None
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read ({error.strerror}); check data.path, data.train, data.dev, data.test"
        ) from None
    if not text.strip():
        raise BadInput(f"{path} is empty; give a file with problems in it")
    if text.startswith("version https://git-lfs"):
        raise BadInput(f"{path} is a pointer of git-lfs, not the file itself; fetch it with `git lfs pull`")
    return text


def _rows(text: str, shown: str) -> tuple[Iterator[Row], str]:
    """The rows of a file, and a note on how it was read (empty where there is nothing to say)."""
    start = text.lstrip()[:1]
    if start == "[":
        return _array(text, shown), ""
    if start != "{":
        raise BadInput(
            f"{shown} is neither a JSON array nor one JSON object a line (it begins with {text.strip()[:20]!r})"
        )
    whole = _single_object(text)
    if whole is None:
        return _lines(text), ""
    if isinstance(whole, _Unreadable):
        return iter([(1, "1", whole)]), ""
    name = recognise(whole)
    if name is not None and all(isinstance(_value(whole, key), list | dict) for key in FORMATS[name].keys):
        raise BadInput(
            f"{shown} holds columns, not records; write one object a record (pandas: to_json(FILE, orient='records'))"
        )
    values = list(whole.values())
    if name is None and all(isinstance(value, dict) for value in values) and any(map(recognise, values)):
        rows = ((number, f"key {key}", value) for number, (key, value) in enumerate(whole.items(), start=1))
        return rows, f"is one object; its {len(values)} values are read as the records"
    return iter([(1, "1", whole)]), ""


def _single_object(text: str) -> dict[str, object] | _Unreadable | None:
    """The single JSON object that a text consists of; None where it holds several or is damaged."""
    try:
        first, end = _DECODER.raw_decode(text, text.index("{"))
    except (ValueError, RecursionError):
        return None
    return first if not text[end:].strip() else None


def _value(row: Mapping[str, object], key: str) -> object:
    return next(value for name, value in row.items() if name.lower() == key.lower())


def _array(text: str, shown: str) -> Iterator[Row]:
    """The records of a JSON array, with the lines on which they begin."""
    position, counted, line, number = text.index("[") + 1, 0, 1, 0
    expects_comma = False
    while True:
        position = _SPACE.match(text, position).end()  # type: ignore[union-attr]
        line += text.count("\n", counted, position)
        counted = position
        if text[position : position + 1] == "]":
            if text[position + 1 :].strip():
                raise BadInput(
                    f"{shown}:{line}: more follows the end of the JSON array; write all records into one array, or one "
                    "object a line"
                )
            return
        if expects_comma:
            if text[position : position + 1] != ",":
                raise BadInput(f"{shown}:{line}: not valid JSON (a comma or ] is missing); fix the file there")
            position, expects_comma = position + 1, False
            continue
        try:
            row, position = _DECODER.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            place = error.lineno if isinstance(error, json.JSONDecodeError) else line
            raise BadInput(f"{shown}:{place}: {_no_json(error)}; fix the file there") from None
        number += 1
        yield number, f"{line} (record {number})", row
        expects_comma = True


def _lines(text: str) -> Iterator[Row]:
    """The records of a file with one record per line; blank lines are skipped."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield number, str(number), _DECODER.decode(line)
            except (ValueError, RecursionError) as error:
                yield number, str(number), _Unreadable(_no_json(error))


def _no_json(error: Exception) -> str:
    """Why a text cannot be read as JSON."""
    if isinstance(error, json.JSONDecodeError):
        return f"not valid JSON ({error.msg})"
    return "brackets nested too deep" if isinstance(error, RecursionError) else "a number with too many digits"


def _unknown(shown: str, first: object) -> str:
    known = "; ".join(form.shown for form in FORMATS.values())
    if isinstance(first, _Unreadable) or not isinstance(first, Mapping):
        why = first.why if isinstance(first, _Unreadable) else "its records are not JSON objects"
        return f"{shown} has an unknown format ({why}); expected one of: {known}"
    inside = [str(key) for key, value in first.items() if isinstance(value, list) and any(map(recognise, value))]
    if inside:
        return f"{shown} holds its records under the key {in_words(inside)}; save each such array as a file of its own"
    why = f"its records have {listed(first)}"
    return f"{shown} has an unknown format ({why}); expected one of: {known}{_misspelt(first)}"


def _misspelt(row: Mapping[str, object]) -> str:
    """`; did you mean KEY?` where a format lacks a single key, and the row has one with nearly that name."""
    there = {str(key).lower() for key in row}
    for form in FORMATS.values():
        missing = [key for key in form.keys if key.lower() not in there]
        known = {key.lower() for key in form.keys}
        guesses = [guess for key in sorted(there - known) if (guess := did_you_mean(key, missing))]
        if len(missing) == 1 and guesses:
            return guesses[0]
    return ""
