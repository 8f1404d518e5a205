"""A few steps of each stage under torch's profiler: a trace for Perfetto, and the operations that take most time."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from reft_lab.methods.base import Stage
from reft_lab.numbers import per_cent
from reft_lab.phases import watched_by
from reft_lab.run_dir.files import OPERATIONS, PROFILE
from reft_lab.text import counted, from_here
from reft_lab.tracking.tracker import Tracker

if TYPE_CHECKING:
    from rich.table import Table
    from torch.profiler import profile

DEAREST = 10
ELSEWHERE = "elsewhere"  # in no phase: saving, records


@dataclass(frozen=True)
class Event:
    """One operation as the profiler saw it.

    Attributes:
        name: such as `aten::mm`, or that of a kernel; of a phase its own.
        start, end: microseconds.
        own: seconds in it, without what it called.
    """

    name: str
    start: float
    end: float
    own: float


@dataclass
class Operation:
    """What all calls of one operation took.

    Attributes:
        seconds: by phase.
    """

    name: str
    calls: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def total(self) -> float:
        """Seconds in all phases."""
        return sum(self.seconds.values())


class Profiling:
    """Profiles the second step of each stage and those after it, until `tracker.profile` are done.

    A stage that ends before gets a trace of what there was. Without that option nothing is watched, and torch's
    profiler is not even imported.
    """

    def __init__(self, steps: int, tracker: Tracker):
        self._steps = steps
        self._tracker = tracker
        self._seen = 0  # steps of the stage at work, in this session
        self._profile: profile | None = None
        self._marks = _Marks()

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """A stage begins; what is recorded of it is written at its end at the latest."""
        self._seen = 0
        try:
            yield
        finally:
            if self._profile is not None:
                self._write(stage)

    @contextmanager
    def step(self, stage: Stage) -> Iterator[None]:
        """One step of the stage."""
        if not self._steps or self._seen > self._steps:
            yield
            return
        if self._seen == 1:
            self._profile = self._begin(stage)
        with watched_by(self._marks):
            yield
        self._seen += 1
        if self._seen > self._steps and self._profile is not None:
            self._write(stage)

    def _begin(self, stage: Stage) -> profile:
        from torch.profiler import ProfilerActivity, profile

        os.environ.setdefault(
            "KINETO_LOG_LEVEL", "6"
        )  # else its recorder prints lines of its own when it begins and ends
        activities = [ProfilerActivity.CPU]
        if stage.policy.device.type == "cuda":
            activities.append(ProfilerActivity.CUDA)
        begun = profile(activities=activities, acc_events=True)
        begun.start()
        self._marks.are_wanted = True
        return begun

    def _write(self, stage: Stage) -> None:
        """The trace and the table of what was recorded."""
        recorded, self._profile = self._profile, None
        self._marks.are_wanted = False
        if recorded is None:
            return
        recorded.stop()
        home = self._tracker.directory.path / PROFILE
        trace = home / f"{stage.kind.name}.json.gz"
        with self._tracker.directory.writing(PROFILE):
            home.mkdir(exist_ok=True)
            recorded.export_chrome_trace(str(trace))
        where = "the GPU" if stage.policy.device.type == "cuda" else "the CPU"
        phases, operations = found(_events(recorded, is_gpu=where == "the GPU"), self._marks.names)
        steps = counted(self._seen - 1, stage.kind.unit.removesuffix("s"))
        done = f"{stage.kind.label}, {steps} from the second on"
        table = dearest(f"{done}: seconds of {where} in its {DEAREST} dearest operations", phases, operations)
        with self._tracker.directory.writing(PROFILE), (home / OPERATIONS).open("a", encoding="utf-8") as file:
            from rich.console import Console

            Console(file=file, width=160, color_system=None).print(table)
        self._tracker.display.show(table)
        self._tracker.display.note(f"trace, for ui.perfetto.dev or chrome://tracing: {from_here(trace)}")


class _Marks:
    """Marks the phases (phases.Watcher) in what is recorded.

    Attributes:
        names: of all phases so far.
        are_wanted: whether anything is recorded.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.are_wanted = False
        self._open: list[Any] = []

    def begin(self, name: str) -> None:
        """A phase begins."""
        if not self.are_wanted:
            self._open.append(None)
            return
        from torch.profiler import record_function

        self.names.add(name)
        self._open.append(record_function(name).__enter__())

    def end(self) -> None:
        """The phase that began last ends."""
        if (mark := self._open.pop()) is not None:
            mark.__exit__(None, None, None)


def _events(recorded: profile, *, is_gpu: bool) -> Iterator[Event]:
    """What ran on the device, and the phases, which are marks of the CPU."""
    from torch.autograd import DeviceType

    for each in recorded.events() or ():
        on_cpu, span = each.device_type == DeviceType.CPU, each.time_range
        taken = each.self_device_time_total if is_gpu and not on_cpu else each.self_cpu_time_total
        if on_cpu and is_gpu:  # but a mark it only waits
            taken = 0.0
        yield Event(each.name, span.start, span.end, taken / 1e6)


def found(events: Iterable[Event], names: set[str]) -> tuple[list[str], list[Operation]]:
    """The phases in the order in which they began, and operations, those that took longest first.

    A phase that begins within another has what is in it for itself.
    """
    every = list(events)
    spans = sorted((each for each in every if each.name in names), key=lambda each: (each.start, -each.end))
    at = _innermost(spans)
    times = [time for time, _ in at]
    operations: dict[str, Operation] = {}
    for each in every:
        if each.name in names or each.own <= 0:
            continue
        place = bisect_right(times, each.start) - 1
        operation = operations.setdefault(each.name, Operation(each.name))
        operation.calls += 1
        operation.seconds[at[place][1] if place >= 0 else ELSEWHERE] += each.own
    phases = list(dict.fromkeys(each.name for each in spans))
    if any(ELSEWHERE in each.seconds for each in operations.values()):
        phases.append(ELSEWHERE)
    return phases, sorted(operations.values(), key=lambda each: (-each.total, each.name))


def _innermost(spans: list[Event]) -> list[tuple[float, str]]:
    """From when on which phase is at work, by times."""
    ends = sorted({time for span in spans for time in (span.start, span.end)})
    at = []
    for time in ends:
        around = [span for span in spans if span.start <= time < span.end]
        at.append((time, max(around, key=lambda span: span.start).name if around else ELSEWHERE))
    return [at[0], *(new for old, new in pairwise(at) if old[1] != new[1])] if at else []


def dearest(title: str, phases: list[str], operations: list[Operation]) -> Table:
    """The table of the operations that took longest."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    whole = sum(each.total for each in operations)
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1))
    table.add_column("operation", min_width=12)  # which alone may be cut
    for name in ("calls", "seconds", "%", *phases):
        table.add_column(name, justify="right", no_wrap=True)
    for each in operations[:DEAREST]:
        parts = (f"{each.seconds[name]:.3f}" if each.seconds.get(name) else "" for name in phases)
        table.add_row(
            Text(each.name.removeprefix("aten::"), no_wrap=True, overflow="ellipsis"),
            f"{each.calls:,}",
            f"{each.total:.3f}",
            per_cent(each.total / whole),
            *parts,
        )
    rest = {name: sum(each.seconds.get(name, 0.0) for each in operations) for name in phases}
    table.add_section()
    calls = sum(each.calls for each in operations)
    table.add_row("all operations", f"{calls:,}", f"{whole:.3f}", "", *(f"{rest[name]:.3f}" for name in phases))
    return table
