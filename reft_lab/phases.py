"""What the process is doing at the moment, by name, for those who watch it: sampling, scoring, updating."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Watcher(Protocol):
    """Is told when a phase begins and when it ends; one may begin within another."""

    def begin(self, name: str) -> None: ...

    def end(self) -> None: ...


_watchers: list[Watcher] = []


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Inside, `watcher` is told of every phase of this process."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


@contextmanager
def doing(name: str) -> Iterator[None]:
    """Inside, the process is in the phase `name`."""
    told = list(_watchers)
    for watcher in told:
        watcher.begin(name)
    try:
        yield
    finally:
        for watcher in told:
            watcher.end()
