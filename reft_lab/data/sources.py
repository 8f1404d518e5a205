"""Records of each split, from files, from the hub, or from the files that the paper's authors released."""

from __future__ import annotations

from dataclasses import dataclass, field

from reft_lab.data.files import find_files
from reft_lab.data.hub import read_hub
from reft_lab.data.problem import Record
from reft_lab.data.reading import Batch, read_files
from reft_lab.data.released import fetch, names_of
from reft_lab.data.settings import DataConfig
from reft_lab.errors import BadInput

_OWN_FORMAT = {"gsm8k": "gsm8k", "svamp": "svamp", "mathqa": "mathqa", "mathqa_numeric": "mathqa"}


@dataclass(frozen=True)
class RawSplits:
    """The records of each split that has a source, and as in `Batch` what was broken, noted and found as keys."""

    by_split: dict[str, list[Record]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    keys: tuple[str, ...] = ()


def read_sources(config: DataConfig, cot: str) -> RawSplits:
    """Read what `config` names: its files and, where they hold no training split, what `config.source` says.

    Raises:
        BadInput: a source is missing or cannot be used.
    """
    files = find_files(config, cot)
    batches: dict[str, Batch] = {}
    notes = list(files.notes)
    if config.path is None and config.train is None and config.source == "paper":
        released = names_of(config.name, cot)
        for split in [split for split in released if split not in files.by_split]:
            batches[split] = read_files([fetch(released[split])], f"{config.name}-{split}")
            notes.append(f"{split} is {released[split]}, as the paper's authors released it")
    elif config.path is None and config.train is None:
        if config.hub is None:
            raise BadInput(f"data={config.name} has no source; give data.path=FOLDER_OR_FILE or data.hub=ID")
        batches |= read_hub(config.hub, config.hub_config, config.name)
    batches |= {split: read_files(paths, f"{config.name}-{split}") for split, paths in files.by_split.items()}
    by_split = {split: batch.records for split, batch in batches.items()}
    broken = [line for batch in batches.values() for line in batch.broken]
    read = [note for batch in batches.values() for note in batch.notes]
    keys = next((batches[split].keys for split in ("train", "dev") if split in batches), ())
    return RawSplits(by_split, broken, notes + read + _foreign(by_split, config.name), keys)


def _foreign(by_split: dict[str, list[Record]], name: str) -> list[str]:
    """A sentence for each split in another data set's own format: most likely the path is wrong."""
    if name not in _OWN_FORMAT:
        return []
    return [
        f"{split} is in the format of {', '.join(sorted(others))}, although data={name}"
        for split, records in by_split.items()
        if (others := {record.format for record in records} - {"authors", _OWN_FORMAT[name]})
    ]
