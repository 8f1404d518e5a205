"""What the name of a file says: which split it is, of which data set, and whether it is a part of something larger."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

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
)  # the hub adds a hash to some


@dataclass(frozen=True)
class Shard:
    """A part of a file, as `train-00000-of-00002` says.

    Attributes:
        name: what the whole is called.
        number: which part it is.
        count: how many there are.
    """

    name: str
    number: int
    count: int


def split_of(name: str) -> str | None:
    """The split that a file or hub split is named for: `svamp_test_set.json`, `TestSet` or `testset` -> test.

    None where its name says none, or several.
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
    """What a file is a part of, None where its name says that it is whole."""
    match = _SHARD.fullmatch(stem(path))
    return Shard(match["name"], int(match["number"]), int(match["count"])) if match else None
