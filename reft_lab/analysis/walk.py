"""What is in a folder, at any depth: run directories, and W&B's files of runs that have no run directory there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from reft_lab.analysis.directory import is_run
from reft_lab.tracking.wandb_folders import SUPERSEDED


def walk(folder: Path, say: Callable[[str], None]) -> Iterator[tuple[Path, bool]]:
    """Run directories and files of W&B, in the order of their names, numbers by size.

    A run directory is not looked into: its baseline and its files of W&B belong to it. Links are not followed.

    Args:
        folder: where to look; a file is one of W&B's.
        say: told of folders that cannot be read.

    Yields:
        The path, and whether it is a run directory; else it is a file of W&B.
    """
    if folder.is_file():
        yield folder, False
        return
    try:
        with os.scandir(folder) as entries:
            inside = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
    except OSError as error:
        say(f"{folder} cannot be read ({error.strerror})")
        return
    if is_run(set(inside)):
        yield folder, True
        return
    yield from ((folder / name, False) for name in sorted(inside) if name.endswith(".wandb") and not inside[name])
    for name in sorted((name for name, is_folder in inside.items() if is_folder), key=_naturally):
        if name != SUPERSEDED and not name.startswith("."):
            yield from walk(folder / name, say)


def _naturally(name: str) -> tuple[bool, int, str]:
    """Numbers before words, by size."""
    return (False, int(name), name) if name.isdecimal() else (True, 0, name)
