"""The runs in some folders, each read again only when its files have changed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reft_lab.analysis.directory import read_directory
from reft_lab.analysis.found import RUNNING, Found
from reft_lab.analysis.load import walk
from reft_lab.analysis.schema import as_text, row_of, table_of
from reft_lab.cli.settings import settings_of
from reft_lab.run_dir.files import CONFIG, METRICS, PASSPORT, RESULT
from reft_lab.run_dir.lock import is_held
from reft_lab.run_dir.reading import ignore

# When a file was written last (ns) and its size; None where it is not there.
Mark = tuple[int, int] | None


@dataclass(frozen=True)
class Shelved:
    """One run.

    Attributes:
        address: where it is: the name of a folder that is served, and the path in it, with slashes.
        directory: its run directory.
        marks: of the files below, and whether a process works on it.
        found: the run.
        row: its row of `Runs.table`.
    """

    address: str
    directory: Path
    marks: tuple[Mark | bool, ...]
    found: Found
    row: Mapping[str, Any]


class Shelf:
    """The runs in `roots`, folders by the first part of the addresses of what is in them.

    Attributes:
        version: goes up whenever something has changed.
    """

    def __init__(self, roots: Mapping[str, Path]):
        self.roots = dict(roots)
        self.version = 0
        self._runs: dict[str, Shelved] = {}
        self._settings: tuple[Any, list[str]] = (None, [])
        self._lock = threading.Lock()

    def look(self) -> dict[str, Shelved]:
        """All runs by their addresses, as they are now."""
        with self._lock:
            seen = {address: self._shelved(address, directory) for address, directory in self._walk()}
            if seen.keys() != self._runs.keys() or any(seen[key] is not self._runs[key] for key in seen):
                self.version += 1
            self._runs = seen
            return seen

    def studies(self) -> dict[str, Path]:
        """Folders of several runs that belong together, and those that are served, by their addresses."""
        found = {name: root for name, root in self.roots.items() if name not in self._runs}
        for run in self._runs.values():
            folder = run.found.place.folder
            if folder is not None and (address := self._address(folder)) is not None:
                found[address] = folder
        return found

    def settings(self, runs: Iterable[Shelved]) -> dict[str, str]:
        """The settings in which each run differs from the others, by address. Anew only if there are other configs."""
        listed = list(runs)
        key = [(run.address, run.marks[0]) for run in listed]
        if self._settings[0] != key:
            self._settings = (key, settings_of(table_of(run.found for run in listed)))
        return {run.address: words for run, words in zip(listed, self._settings[1], strict=True)}

    def _walk(self) -> Iterator[tuple[str, Path]]:
        for name, root in self.roots.items():
            for path, is_directory in walk(root, ignore):
                if is_directory:
                    yield _joined(name, path.relative_to(root)), path

    def _shelved(self, address: str, directory: Path) -> Shelved:
        marks = (*marks_of(directory, (CONFIG, PASSPORT, METRICS, RESULT)), is_held(directory))
        known = self._runs.get(address)
        if known is not None and known.marks == marks:
            return known
        found = read_directory(directory, address, ignore)
        return Shelved(address, directory, marks, found, row_of(found))

    def _address(self, folder: Path) -> str | None:
        for name, root in self.roots.items():
            if folder.absolute().is_relative_to(root.absolute()):
                return _joined(name, folder.absolute().relative_to(root.absolute()))
        return None


def _joined(root: str, inside: Path) -> str:
    return str(as_text(root if inside == Path() else f"{root}/{inside.as_posix()}"))


def marks_of(directory: Path, names: Iterable[str]) -> tuple[Mark, ...]:
    """The marks of the files of these names."""
    return tuple(_mark(os.path.join(directory, name)) for name in names)


def _mark(file: str) -> Mark:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def running(runs: Iterable[Shelved]) -> int:
    """How many of the runs are at work."""
    return sum(run.found.state == RUNNING for run in runs)
