"""A run under way, looked at again and again: each look takes in what is new."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from reft_lab.analysis.directory import baseline_of, read_directory
from reft_lab.analysis.found import RUNNING, Found
from reft_lab.metrics import find
from reft_lab.run_dir.files import METRICS, SAMPLES
from reft_lab.run_dir.following import Following
from reft_lab.run_dir.lock import is_held
from reft_lab.run_dir.progress import Doing, read_doing
from reft_lab.run_dir.reading import ignore

ALARM, MACHINE = "alarm/", "machine/"
POINTS = 512  # of a curve: from twice as many on, each two become one
TAIL = 512 * 1024  # bytes of samples.jsonl that hold more responses than anybody looks at
KEPT = 20  # responses


class Curve:
    """The values of a metric, thinned as they come.

    Attributes:
        points: means of as many consecutive values as a point stands for.
        last: the last value.
    """

    def __init__(self) -> None:
        self.points: list[float] = []
        self.last = math.nan
        self._every, self._waiting = 1, list[float]()

    def add(self, value: float) -> None:
        """The next value."""
        self.last = value
        self._waiting.append(value)
        if len(self._waiting) < self._every:
            return
        self.points.append(sum(self._waiting) / len(self._waiting))
        self._waiting.clear()
        if len(self.points) == 2 * POINTS:
            pairs = zip(self.points[::2], self.points[1::2], strict=True)
            self.points = [(first + second) / 2 for first, second in pairs]
            self._every *= 2


@dataclass
class Spell:
    """The last time that an alarm was on.

    Attributes:
        first, last: steps on the axis of metrics.jsonl.
        is_on: whether it lasts.
    """

    first: int
    last: int
    is_on: bool = True


@dataclass(frozen=True)
class Outcomes:
    """What became of responses.

    Attributes:
        of: `rollout` or `eval`.
        step: on the axis of metrics.jsonl.
        shares: by the kind of outcome.
    """

    of: str
    step: int
    shares: Mapping[str, float]


class LiveRun:
    """One run.

    Attributes:
        directory: its run directory.
        found: what it is, its state, and its result where there is one.
        doing: what it does; None as long as it does not say.
        beside: the same of its baseline.
        curves: those of its metrics that are seen at a glance, and those that were asked for.
        line: the last line of metrics.jsonl.
        outcomes: of the last responses; None before there were any.
        samples: the last recorded responses, the newest last.
        alarms: those that were on, by name.
        load: of the machine that it is on, the last value of each metric of machine/.
        is_over: whether no process works on it any more.
    """

    def __init__(self, directory: Path, *, also: tuple[str, ...] = ()):
        """`also` are metrics beside those that are seen at a glance."""
        self.directory, self._also = directory, also
        self._metrics = Following(directory / METRICS)
        self._samples = Following(directory / SAMPLES, tail=TAIL)
        self._forget()
        self.samples: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.look()

    def look(self) -> None:
        """Take in what is new."""
        held = is_held(self.directory)
        self.found: Found = read_directory(self.directory, self.directory.name, ignore)
        self.is_over = not held and self.found.state != RUNNING
        self.doing: Doing | None = self.found.doing
        baseline = baseline_of(self.directory)
        self.beside = None if baseline is None or self.is_over else read_doing(baseline)
        lines, anew = self._metrics.new()
        if anew:
            self._forget()
        for line in lines:
            self._take(line)
        records, anew = self._samples.new()
        if anew:
            self.samples.clear()
        self.samples.extend(records)

    @property
    def seconds(self) -> float | None:
        """How long it took, over all its sessions, up to its last record if it goes on; None where nobody knows."""
        times = self.found.result.get("seconds")
        total = times.get("total") if isinstance(times, Mapping) else None
        return next((float(each) for each in (total, self.found.seconds) if isinstance(each, int | float)), None)

    def _forget(self) -> None:
        self.curves: dict[str, Curve] = {}
        self.line: dict[str, Any] = {}
        self.outcomes: Outcomes | None = None
        self.alarms: dict[str, Spell] = {}
        self.load: dict[str, float] = {}

    def _take(self, line: dict[str, Any]) -> None:
        step = line.get("step")
        if type(step) is not int:
            return
        self.line = line
        outcomes: dict[str, dict[str, float]] = {}
        for name, value in line.items():
            if type(value) not in (int, float) or not math.isfinite(value):
                continue
            if name.startswith(ALARM):
                self._ring(name.removeprefix(ALARM), step, on=value == 1)
            elif name.startswith(MACHINE):
                self.load[name] = value
            elif "/outcome/" in name:
                section, _, kind = name.partition("/outcome/")
                outcomes.setdefault(section, {})[kind] = value
            elif name in self._also or is_seen_at_a_glance(name):
                self.curves.setdefault(name, Curve()).add(value)
        for section in ("rollout", "eval"):
            if section in outcomes:
                self.outcomes = Outcomes(section, step, outcomes[section])
                break

    def _ring(self, name: str, step: int, *, on: bool) -> None:
        spell = self.alarms.get(name)
        if on and (spell is None or not spell.is_on):
            self.alarms[name] = Spell(step, step)
        elif spell is not None:
            spell.is_on = on
            spell.last = step if on else spell.last


@cache
def is_seen_at_a_glance(metric: str) -> bool:
    """Whether a metric is watched; how many epochs are done is progress, and no curve."""
    entry = find(metric)
    return (entry.headline or bool(entry.terminal)) and entry.terminal != "epoch"
