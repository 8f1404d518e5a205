"""Which files hold train, dev and test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reft_lab.config.inputs import DataConfig
from reft_lab.data.formats import read_record, recognise
from reft_lab.data.reading import first_row
from reft_lab.data.records import Broken, Record
from reft_lab.errors import BadInput

SPLITS = ("train", "dev", "test")
_SUFFIXES = (".json", ".jsonl")
_WORDS = {
    "train": "train", "training": "train",
    "dev": "dev", "devel": "dev", "development": "dev", "val": "dev", "valid": "dev", "validation": "dev",
    "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True)
class Files:
    """The file of each split, as far as there is one, and sentences on what was chosen."""

    by_split: dict[str, Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def find_files(config: DataConfig, cot: str) -> Files:
    """The files that `config.path`, `config.train`, `config.dev` and `config.test` come to.

    Args:
        cot: `natural` or `program`; where several files could be the training file, the one that carries it is taken.

    Raises:
        BadInput: a file or folder is missing, or a folder holds nothing to train on.
    """
    files = Files()
    if config.path is not None:
        path = Path(config.path).expanduser()
        if not path.exists():
            raise BadInput(f"data.path={config.path} does not exist (looked in {Path.cwd()})")
        files = _in_folder(path, cot) if path.is_dir() else Files({"train": path})
    for split in SPLITS:
        given = getattr(config, split)
        if given is not None:
            path = Path(given).expanduser()
            if not path.is_file():
                raise BadInput(f"data.{split}={given} is no file (looked in {Path.cwd()})")
            files.by_split[split] = path
    if config.path is not None and not files.by_split.keys() & {"train", "dev"}:
        raise BadInput(
            f"{config.path} holds no file to train on, only {files.by_split['test'].name}; name one with data.train="
        )
    return files


def split_of(name: str) -> str | None:
    """The split that a file or hub split is named for: `svamp_test_set.json` -> test; None where its name says none."""
    words = re.split(r"[^a-z]+", name.lower())
    return next((_WORDS[word] for word in words if word in _WORDS), None)


def _in_folder(folder: Path, cot: str) -> Files:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file())
    if not paths:
        inside = sorted(path.name for path in folder.iterdir() if path.is_dir() and any(_data_files(path)))
        hint = f"; its folders {', '.join(inside)} do" if inside else ""
        raise BadInput(f"{folder} holds no .json or .jsonl file{hint}; give data.path= a folder or file with problems")
    named = {split: [path for path in paths if split_of(path.stem) == split] for split in SPLITS}
    nameless = [path for path in paths if split_of(path.stem) is None]
    files = Files()
    for split in SPLITS:
        candidates = named[split] or (nameless if split == "train" else [])
        if candidates:
            files.by_split[split] = _choose(candidates, split, cot, files.notes)
    return files


def _data_files(folder: Path) -> Sequence[Path]:
    return [path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES]


def _choose(candidates: list[Path], split: str, cot: str, notes: list[str]) -> Path:
    """The candidate whose reasoning fits best; among equals, the one with the shortest name."""
    if len(candidates) == 1:
        return candidates[0]
    fit = {path: _fit(path, cot) if split == "train" else 0 for path in candidates}
    best = min(candidates, key=lambda path: (fit[path], len(path.name), path.name))
    others = ", ".join(path.name for path in candidates if path != best)
    why = f", as it fits cot={cot}" if len(set(fit.values())) > 1 else ""
    notes.append(f"{best.name} is taken for {split}{why}, not {others} (data.{split}= chooses another)")
    return best


def _fit(path: Path, cot: str) -> int:
    """How well the reasoning of a file fits: 0 carried, 1 to be derived, 2 not at all, 3 unreadable."""
    row = first_row(path)
    if recognise(row) is None:
        return 3
    try:
        record = read_record(row, "", "")
    except Broken:
        return 3
    if (record.program if cot == "program" else record.reasoning) is not None:
        return 0
    return 1 if cot == "program" and _derivable(record) else 2


def _derivable(record: Record) -> bool:
    return record.formula is not None or record.reasoning is not None
