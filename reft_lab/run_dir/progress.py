"""progress.json: what a run is doing and how far it is, while a process works in its directory."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reft_lab.numbers import duration, per_cent
from reft_lab.run_dir import disk
from reft_lab.run_dir.files import PROGRESS
from reft_lab.run_dir.reading import read_object

EVERY = 1.0  # seconds between two notes
LATE = 60.0  # seconds without a note after which it is worth saying
SLOW = 5.0  # and how many units should have been done by then

# The share of the run's budget that is used, where it has one.
Spent = Callable[[], float | None]


@dataclass(frozen=True)
class Doing:
    """What a run was doing when it last took note.

    Attributes:
        title: what its bar is called: `ReFT`, `test, after warm-up`.
        unit: what is counted, in the plural.
        done: how many are.
        total: how many there are to be, at most.
        share: how much is done, from 0 to 1: of `total` or of what the budget leaves, whichever ends first.
        left: seconds that the rest takes at the mean pace so far; None as long as there is none.
        pace: mean seconds of a unit in this session; None before the first.
        numbers: a few that are worth watching, by their short names; the last accuracy by the name of its split.
        time: when, UTC.
    """

    title: str
    unit: str
    done: int
    total: int
    share: float = 0.0
    left: float | None = None
    pace: float | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    time: datetime = field(default_factory=lambda: datetime.now(UTC))

    def at(self, now: datetime) -> Doing:
        """The same with fewer seconds left: as many as have passed, but no more than a unit takes if one is late."""
        if self.left is None:
            return self
        passed = max(0.0, (now - self.time).total_seconds())
        return replace(self, left=max(0.0, self.left - min(passed, self.pace or passed)))

    def silence(self, now: datetime) -> float | None:
        """Seconds since the last note, where that is much longer than a unit takes; else None."""
        passed = (now - self.time).total_seconds()
        return passed if passed > max(LATE, SLOW * (self.pace or 0.0)) else None

    @property
    def count(self) -> str:
        """`24/60 iterations`."""
        return f"{self.done:,}/{self.total:,} {self.unit}"

    @property
    def per_cent(self) -> str:
        """`40 %`."""
        return f"{per_cent(self.share, 0)} %"

    @property
    def remaining(self) -> str:
        """`2 min 3 s left`; empty where nobody knows."""
        if self.left is None:
            return ""
        return f"{duration(self.left) if self.left >= 10 else f'{self.left:.0f} s'} left"

    def __str__(self) -> str:
        """`ReFT 24/60 iterations, 40 %, 2 min 3 s left`."""
        return ", ".join(part for part in (f"{self.title} {self.count}", self.per_cent, self.remaining) if part)


def read_doing(directory: Path) -> Doing | None:
    """What the run in `directory` is doing, or was when it was killed; None where it does not say."""
    found: Any = read_object(directory / PROGRESS)
    try:
        when = datetime.fromisoformat(found["time"]).astimezone(UTC)
        numbers = {str(name): float(value) for name, value in found["numbers"].items()}
        left, pace = (None if found[name] is None else float(found[name]) for name in ("left", "pace"))
        counts = (str(found["title"]), str(found["unit"]), int(found["done"]), int(found["total"]))
        return Doing(*counts, float(found["share"]), left, pace, numbers, when)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None


class ProgressFile:
    """The file. It tells those who watch; a disk that refuses it costs a note and nothing else."""

    def __init__(self, directory: Path):
        self._path = directory / PROGRESS

    def begin(self, title: str, total: int, unit: str, done: int = 0, spent: Spent | None = None) -> Noted:
        """A new piece of work begins, of which `done` were done in an earlier session."""
        return Noted(self, Doing(title, unit, done, total), spent or (lambda: None))

    def write(self, doing: Doing) -> None:
        """Take note."""
        text = json.dumps(asdict(doing) | {"time": doing.time.isoformat(timespec="milliseconds")})
        with suppress(OSError):
            disk.replace(self._path, text + "\n", lasting=False)

    def remove(self) -> None:
        """No process works in the directory any more."""
        with suppress(OSError):
            for part in self._path.parent.glob(f".{PROGRESS}.*.part"):  # of a note that a signal broke off
                part.unlink()
            self._path.unlink()


class Noted:
    """The progress of one piece of work (tracking.display.Bar), noted once a second at most."""

    def __init__(self, file: ProgressFile, doing: Doing, spent: Spent):
        self._file, self._doing, self._spent = file, doing, spent
        self._before = spent() or 0.0
        self._first = doing.done
        self._began = self._written = time.monotonic()
        file.write(self._at(doing.done, {}))

    def update(self, done: int, **numbers: float) -> None:
        """So many are done."""
        now = time.monotonic()
        if done < self._doing.total and now - self._written < EVERY:
            return
        self._written = now
        self._file.write(self._at(done, numbers))

    def _at(self, done: int, numbers: Mapping[str, float]) -> Doing:
        passed, new, total = time.monotonic() - self._began, done - self._first, self._doing.total
        pace = passed / new if new > 0 else None
        share = done / total if total else 1.0
        left = None if pace is None else pace * (total - done)
        used = self._spent()
        if used is not None and self._before < used:
            share = max(share, min(1.0, (used - self._before) / (1 - self._before)))
            by_budget = max(0.0, passed * (1 - used) / (used - self._before))
            left = by_budget if left is None else min(left, by_budget)
        known = replace(self._doing, done=done, share=share, left=left, pace=pace, time=datetime.now(UTC))
        return replace(known, numbers=dict(numbers))
