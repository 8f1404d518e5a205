"""Files of the kinds that data sets also come in and that are not read: what they are, how to make JSON of them."""

from __future__ import annotations

from pathlib import Path

_UNPACK = "unpack it first"
_BY_START = {
    b"PAR1": ("parquet", "parquet"),
    b"PK\x03\x04": ("a zip archive", None),
    b"\x1f\x8b": ("compressed with gzip", None),
    b"BZh": ("compressed with bzip2", None),
    b"\xfd7zXZ\x00": ("compressed with xz", None),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", None),
    b"\xff\xfe": ("UTF-16 text; save it as UTF-8", ""),
    b"\xfe\xff": ("UTF-16 text; save it as UTF-8", ""),
}
_BY_ENDING = {".parquet": "parquet", ".csv": "csv", ".tsv": "table"}
_PACKED = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst")
_KNOWN = (*_BY_ENDING, *_PACKED, ".ndjson", ".txt")


def other_kind(path: Path, data: bytes) -> str | None:
    """What a file is that holds no JSON, and what to do about it; None where nothing is known against it."""
    for start, (what, reader) in _BY_START.items():
        if data.startswith(start):
            return (
                what if reader == "" else f"{what}, which is not read; {_to_json(reader, path) if reader else _UNPACK}"
            )
    reader = _BY_ENDING.get(path.suffix.lower())
    if reader is not None and data.lstrip()[:1] not in (b"[", b"{"):
        return f"no JSON; {_to_json(reader, path)}"
    return None


def only_others(folder: Path) -> str | None:
    """That a folder, or the folders in it, holds data of other kinds only, and what to do; None where there is none."""
    found = next(filter(None, ([*filter(_looks_like_data, sorted(folder.glob(deep)))] for deep in ("*", "*/*"))), [])
    if not found:
        return None
    names = ", ".join(str(path.relative_to(folder)) for path in found[:3]) + (", ..." if len(found) > 3 else "")
    ending = found[0].suffix.lower()
    if ending in _BY_ENDING:
        advice = _to_json(_BY_ENDING[ending], found[0])
    else:
        advice = _UNPACK if ending in _PACKED else "if they hold JSON, give them with data.train= and data.test="
    return f"only {names}; {advice}"


def _to_json(reader: str, path: Path) -> str:
    name = path.name.split(".")[0]
    return f"write it as JSON: pandas.read_{reader}('{path.name}').to_json('{name}.json', orient='records')"


def _looks_like_data(path: Path) -> bool:
    known = path.suffix.lower() in _KNOWN and path.stem.lower() not in ("readme", "license", "requirements")
    return known and path.name[0] != "." and path.is_file()
