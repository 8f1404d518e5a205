"""Which files hold train, dev and test. Where names and records do not tell, the user is asked; nothing is guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reft_lab.data.file_names import (
    SPLITS,
    Source,
    data_set_of,
    ending,
    only_others,
    shard_of,
    sources_in,
    split_of,
    stem,
)
from reft_lab.data.formats import read_record, recognise
from reft_lab.data.problem import Broken
from reft_lab.data.reading import first_row
from reft_lab.data.settings import DataConfig
from reft_lab.errors import BadInput


@dataclass(frozen=True)
class Files:
    """The file of each split that has one, or its shards in order, and sentences on what was chosen."""

    by_split: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def find_files(config: DataConfig, cot: str) -> Files:
    """The files that `config.path`, `config.train`, `config.dev` and `config.test` stand for.

    Args:
        cot: `natural` or `program`; where several files could be the training file, the one with this kind is taken.

    Raises:
        BadInput: a file, folder or shard is missing, a folder holds nothing to train on, or several files could be
            those of a split.
    """
    files = Files()
    given = {split: Path(name).expanduser() for split in SPLITS if (name := getattr(config, split)) is not None}
    for split, path in given.items():
        if not path.is_file():
            raise BadInput(f"data.{split}={getattr(config, split)} is not a file (looked in {Path.cwd()})")
    if config.path is not None:
        path = Path(config.path).expanduser()
        if path.is_dir():
            files = _in_folder(path, config.name, cot, given)
        elif "train" not in given:
            given["train"] = path
            if split_of(stem(path)) not in (None, "train"):
                files.notes.append(
                    f"{path.name} is trained on whatever its name, because data.path= names this one file"
                )
    for split, path in given.items():
        files.by_split[split] = (path,)
        if (shard := shard_of(path)) and shard.count > 1:
            files.notes.append(
                f"{path.name} alone is {split}, one of {shard.count} shards; data.path={path.parent} would take all"
            )
    if config.path is not None and not files.by_split.keys() & {"train", "dev"}:
        names = Source.of(files.by_split["test"]).shown
        raise BadInput(f"{config.path} holds no file to train on, only {names}; name one with data.train=")
    files.notes.extend(_shared(files.by_split))
    return files


def _shared(by_split: dict[str, tuple[Path, ...]]) -> list[str]:
    """A sentence where the test file is also trained on, or chooses the checkpoint."""
    test = {path.resolve() for path in by_split.get("test", ())}
    means = {"train": "test accuracy measures memory only", "dev": "checkpoints are chosen on the test questions"}
    return [
        f"test and {split} are the same file: {what}"
        for split, what in means.items()
        if test & {path.resolve() for path in by_split.get(split, ())}
    ]


def _in_folder(folder: Path, data_set: str, cot: str, given: dict[str, Path]) -> Files:
    """The files in a folder for the splits that no file is given for."""
    paths = sorted(path for path in folder.iterdir() if ending(path) and path.is_file() and path.name[0] != ".")
    if not paths:
        raise BadInput(_nothing_in(folder))
    sources = sources_in(folder, paths)
    named = {split: [each for each in sources if split_of(each.name) == split] for split in SPLITS}
    nameless = [each for each in sources if split_of(each.name) is None and not _is_given(each, given)]
    if not (len(nameless) == 1 and not named["dev"]):
        # Without files that only describe the data.
        nameless = [each for each in nameless if recognise(first_row(each.paths[0]))]
    files = Files()
    unclear: dict[str, list[Source]] = {}
    for split in SPLITS:
        candidates = named[split] or (nameless if split == "train" else [])
        if candidates and split not in given:
            best = _best(_of_data_set(candidates, data_set), split, cot, files.notes)
            files.by_split[split] = best[0].paths
            if len(best) > 1:
                unclear[split] = best
    if "train" in unclear and not named["train"]:
        raise BadInput(_nameless(folder, nameless))
    if not files.by_split and not given:
        raise BadInput(_nameless(folder, sources))
    if unclear:
        several = ", and several that could be ".join(f"{split} ({_names(each)})" for split, each in unclear.items())
        options = " and ".join(f"data.{split}=" for split in unclear)
        raise BadInput(f"{folder} holds several files that could be {several}; name the right one with {options}")
    _say(folder, [each for each in sources if not _is_given(each, given)], files)
    return files


def _nothing_in(folder: Path) -> str:
    """What to say of a folder without a file that can be read."""
    inside = sorted(
        path for path in folder.glob("*/*") if ending(path) and path.is_file() and "." not in path.parent.name
    )
    folders = sorted({path.parent.name for path in inside})
    if "train" in map(split_of, folders):
        example = next(path for path in inside if split_of(path.parent.name) == "train")
        return (
            f"{folder} holds no .json or .jsonl file, but its folders are named for splits ({', '.join(folders)}); "
            f"give a file of each with data.train= and data.test=, as data.train={example}"
        )
    if inside:
        shown = ", ".join(folders[:5]) + (f" and {len(folders) - 5} more" if len(folders) > 5 else "")
        do = "folders {} do" if len(folders) > 1 else "folder {} does"
        return (
            f"{folder} holds no .json or .jsonl file, but its {do.format(shown)}; give one of them, as "
            f"data.path={folder / folders[0]}"
        )
    instead = only_others(folder)
    if instead is not None:
        return f"{folder} holds no .json or .jsonl file, {instead}"
    return f"{folder} holds no .json or .jsonl file; give data.path= a folder or file with problems"


def _is_given(source: Source, given: dict[str, Path]) -> bool:
    return any(path.resolve() == other.resolve() for path in source.paths for other in given.values())


def _say(folder: Path, sources: Sequence[Source], files: Files) -> None:
    """A sentence on which file was taken for which split, unless every file is named for its split."""
    taken = [f"{split} is {Source.of(paths).shown}" for split, paths in files.by_split.items()]
    left = _names([each for each in sources if each.paths not in files.by_split.values()])
    if left or any(len(paths) > 1 or stem(paths[0]) != split for split, paths in files.by_split.items()):
        said = [", ".join(taken), f"not read: {left}" if left else ""]
        files.notes.append(f"in {folder}: {'; '.join(filter(None, said))}")


def _of_data_set(candidates: list[Source], data_set: str) -> list[Source]:
    """The candidates named for the data set, if any; the authors keep the files of all data sets in one folder."""
    return [each for each in candidates if data_set_of(each.name) == data_set] or candidates


def _best(candidates: list[Source], split: str, cot: str, notes: list[str]) -> list[Source]:
    """The candidates whose reasoning fits best; several where they fit equally well."""
    fit = {each: _fit(each.paths[0], cot) if split == "train" else 0 for each in candidates}
    best = [each for each in candidates if fit[each] == min(fit.values())]
    if len(best) == 1 < len(candidates):
        others = _names([each for each in candidates if each not in best])
        notes.append(
            f"{best[0].shown} is taken for {split}, as it fits cot={cot}, not {others} (data.{split}= chooses another)"
        )
    return best


def _nameless(folder: Path, sources: Sequence[Source]) -> str:
    return (
        f"the names of the files in {folder} do not say which split they are ({_names(sources)}); name them with "
        "data.train= and data.test=, or put train, dev or test into the file names"
    )


def _names(sources: Sequence[Source]) -> str:
    return ", ".join(each.shown for each in sources)


def _fit(path: Path, cot: str) -> int:
    """How well the reasoning of a file fits: 0 it is there, 1 it can be derived, 2 not at all, 3 unreadable."""
    row = first_row(path)
    if recognise(row) is None:
        return 3
    try:
        record = read_record(row, "", "")
    except Broken:
        return 3
    if (record.program if cot == "program" else record.reasoning) is not None:
        return 0
    is_derivable = record.formula is not None or record.reasoning is not None
    return 1 if cot == "program" and is_derivable else 2
