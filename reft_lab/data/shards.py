"""Files that come in parts: `train-00000-of-00002.jsonl` and its like are one source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reft_lab.data.file_names import shard_of, stem
from reft_lab.errors import BadInput


@dataclass(frozen=True)
class Source:
    """A file, or all shards of one.

    Attributes:
        name: its name without ending and number of the shard.
        paths: the file, or its shards in order.
    """

    name: str
    paths: tuple[Path, ...]

    @classmethod
    def of(cls, paths: Sequence[Path]) -> Source:
        """The source that these files are."""
        shard = shard_of(paths[0])
        return cls(stem(paths[0]) if shard is None else shard.name, tuple(paths))

    @property
    def shown(self) -> str:
        """What it is called in messages."""
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
    """The shards in order.

    Raises:
        BadInput: one is missing. They are counted from 0, or from 1.
    """
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
