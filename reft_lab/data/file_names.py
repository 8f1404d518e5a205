"""What a file shows before it is parsed: its split, data set and shard, and whether it is JSON at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reft_lab.errors import BadInput

SPLITS = ("train", "dev", "test")
ENDINGS = (".json", ".jsonl", ".json.gz", ".jsonl.gz")
_WORDS = {
    "train": ("train", "training", "trn"),
    "dev": ("dev", "devel", "development", "val", "valid", "validation", "eval", "evaluation"),
    "test": ("test", "testing", "tst"),
}
_SPLIT_OF_WORD = {
    word + more: split
    for split, words in _WORDS.items()
    for word in words
    for more in ("", "set", "sets", "data", "dataset", "split", "file")
}
_DATA_SETS = ("gsm8k", "svamp", "mathqa_numeric", "mathqa")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SHARD = re.compile(
    r"(?P<name>.*?)[-_. ]*(?P<number>\d+)[-_ ]of[-_ ](?P<count>\d+)(?:-[0-9a-f]{8,})?", re.IGNORECASE
)  # the hub adds a hash to some names


@dataclass(frozen=True)
class Shard:
    """Part `number` of the `count` parts of a file, as `train-00000-of-00002` says; `name` is that of the whole."""

    name: str
    number: int
    count: int


def split_of(name: str) -> str | None:
    """The split that a file or hub split is named for: `svamp_test_set.json`, `TestSet` or `testset` -> test.

    None where the name says nothing, or several splits.
    """
    words = re.split(r"[^a-z]+", _HUMP.sub("_", name).lower())
    found = {_SPLIT_OF_WORD[word] for word in words if word in _SPLIT_OF_WORD}
    return found.pop() if len(found) == 1 else None


def data_set_of(name: str) -> str | None:
    """The data set that a file is named for: `mathqa-numeric_nl.json` -> mathqa_numeric; None where it names none."""
    plain = re.sub(r"[^a-z0-9]+", "_", _HUMP.sub("_", name).lower())
    return next((each for each in _DATA_SETS if plain == each or plain.startswith(f"{each}_")), None)


def ending(path: Path) -> str | None:
    """`.json`, `.jsonl`, `.json.gz` or `.jsonl.gz` where a file has one of them, whatever its case."""
    name = path.name.lower()
    return next((each for each in ENDINGS if name.endswith(each)), None)


def stem(path: Path) -> str:
    """The name of a file without its ending."""
    return path.name[: -len(ending(path) or "")] if ending(path) else path.name


def shard_of(path: Path) -> Shard | None:
    """The shard that a file is; None where its name says that it is whole."""
    match = _SHARD.fullmatch(stem(path))
    return Shard(match["name"], int(match["number"]), int(match["count"])) if match else None


@dataclass(frozen=True)
class Source:
    """A file, or all shards of one in order; its name is without ending and number of the shard."""

    name: str
    paths: tuple[Path, ...]

    @classmethod
    def of(cls, paths: Sequence[Path]) -> Source:
        """The source that consists of these files."""
        shard = shard_of(paths[0])
        return cls(stem(paths[0]) if shard is None else shard.name, tuple(paths))

    @property
    def shown(self) -> str:
        """Its name in messages."""
        first, *others = self.paths
        return f"{first.name} to {others[-1].name} ({len(self.paths)} shards)" if others else first.name


def sources_in(folder: Path, paths: Sequence[Path]) -> list[Source]:
    """Whole files, and shards put together, in the order of their names.

    Raises:
        BadInput: a shard is missing, or is there twice.
    """
    parts: dict[tuple[str, int], dict[int, Path]] = {}
    sources: list[Source] = []
    for path in paths:
        shard = shard_of(path)
        if shard is None:
            sources.append(Source.of([path]))
            continue
        others = parts.setdefault((shard.name, shard.count), {})
        if shard.number in others:
            raise BadInput(
                f"{others[shard.number].name} and {path.name} in {folder} are the same shard; remove one of them"
            )
        others[shard.number] = path
    sources += [Source.of(_whole(folder, count, found)) for (_, count), found in parts.items()]
    return sorted(sources, key=lambda source: source.paths[0].name)


def _whole(folder: Path, count: int, found: dict[int, Path]) -> list[Path]:
    """The shards in order, counted from 0 or from 1; none may be missing."""
    expected = range(1, count + 1) if count in found and 0 not in found else range(count)
    missing = [number for number in expected if number not in found]
    if missing or len(found) > count:
        there = ", ".join(found[number].name for number in sorted(found)[:3])
        what = f"shard {missing[0]} of {count} is missing" if missing else f"there are {len(found)} shards of {count}"
        raise BadInput(
            f"{what} in {folder} (there: {there}); complete them, or give single files with data.train= and data.test= "
            "instead of data.path="
        )
    return [found[number] for number in sorted(found)]


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
    """What a file is that is not JSON, and what to do about it; None where nothing speaks against JSON."""
    for start, (what, reader) in _BY_START.items():
        if data.startswith(start):
            return (
                what if reader == "" else f"{what}, which is not read; {_to_json(reader, path) if reader else _UNPACK}"
            )
    reader = _BY_ENDING.get(path.suffix.lower())
    if reader is not None and data.lstrip()[:1] not in (b"[", b"{"):
        return f"not JSON; {_to_json(reader, path)}"
    return None


def only_others(folder: Path) -> str | None:
    """What to say of a folder that, with its sub-folders, holds only data of other kinds; None where it holds none."""
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
