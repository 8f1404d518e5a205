"""The terminal: progress bars where there is one, plain lines elsewhere, nothing for a process in the background.

What is said there is kept in the log of the run directory as well, but for the flicker of the bars; how far these are
stands in its progress.json.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from reft_lab.run_dir.log import Log
from reft_lab.run_dir.progress import Doing, ProgressFile, Spent
from reft_lab.signals import let_go_of_lost_terminal

SECONDS_BETWEEN_LINES = 10.0
LOOK = 1.0  # seconds between two looks at what a process beside this one does
LOG_WIDTH = 120  # columns of a table


class Bar(Protocol):
    """The progress of one stage."""

    def update(self, done: int, **numbers: float) -> None:
        """Show that `done` units are done, with a few `numbers` worth watching."""


class Display:
    """What a run shows while it goes.

    Attributes:
        beside: what another process does for this run at the same time, for a bar below its own; None: there is none.
    """

    def __init__(self, console: Console | None = None):
        self.console = console or Console(highlight=False, soft_wrap=True)
        self.beside: Callable[[], Doing | None] | None = None
        self._log: Log | None = None
        self._progress: ProgressFile | None = None

    @contextmanager
    def kept_in(self, log: Log, progress: ProgressFile | None = None) -> Iterator[None]:
        """Inside, `log` gets what is said here, and the error if it ended with one, and `progress` how far bars are."""
        self._log, self._progress = log, progress
        log.begin()
        try:
            yield
        except BaseException as error:
            log.add_error(error)
            raise
        finally:
            self._log = self._progress = None

    def note(self, text: str) -> None:
        """One line of text."""
        self.record(text)
        self._print(text, markup=False)

    def show(self, renderable: Any) -> None:
        """Anything rich can render."""
        plain = Console(file=io.StringIO(), width=LOG_WIDTH, color_system=None)
        with plain.capture() as captured:
            plain.print(renderable)
        self.record(captured.get())
        self._print(renderable)

    def record(self, text: str) -> None:
        """For the log alone."""
        if self._log is not None:
            self._log.add(text)

    def _print(self, renderable: Any, **options: Any) -> None:
        try:
            self.console.print(renderable, **options)
        except OSError:  # the terminal is gone, and the signal that says so is about to come
            let_go_of_lost_terminal()

    @contextmanager
    def stage(self, title: str, total: int, unit: str, done: int = 0, spent: Spent | None = None) -> Iterator[Bar]:
        """A bar for `total` units of work (or a line every ten seconds where there is no terminal).

        `done` of them were done in an earlier session; they do not count in the rate. The work may end before, when all
        of a budget is `spent`.
        """
        noted: list[Bar] = [self._progress.begin(title, total, unit, done, spent)] if self._progress else []
        if not self.console.is_terminal:
            yield _Bars([_Lines(self.note, title, total, unit, done), *noted])
            return
        lines = _Lines(self.record, title, total, unit, done)
        whole = Column(no_wrap=True, min_width=len(f"{total}/{total}"))
        columns = (  # all of it, with the numbers, fits in 80 columns
            TextColumn("{task.description:<6}", table_column=Column(no_wrap=True, min_width=6)),
            BarColumn(bar_width=None, table_column=Column(min_width=4, max_width=24, ratio=1)),
            MofNCompleteColumn(table_column=whole),
            TextColumn("[dim]{task.fields[rate]}[/dim]", table_column=Column(no_wrap=True)),
            TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[numbers]}", table_column=Column(no_wrap=True)),
        )
        with _Beside(self.beside, *columns, console=self.console, refresh_per_second=4) as progress:
            task = progress.add_task(title, total=total, completed=done, rate="", numbers="")
            yield _Bars([_RichBar(progress, task, done), lines, *noted])


class Silence(Display):
    """Shows nothing."""

    def __init__(self) -> None:
        super().__init__(Console(quiet=True, force_terminal=False))


class _Bars:
    """Several that show the same."""

    def __init__(self, bars: list[Bar]):
        self.bars = bars

    def update(self, done: int, **numbers: float) -> None:
        for bar in self.bars:
            bar.update(done, **numbers)


class _Beside(Progress):
    """Bars, and below them one for what a process beside this one does, as it notes it."""

    def __init__(self, beside: Callable[[], Doing | None] | None, *columns: Any, **options: Any):
        self._beside, self._looked = beside, -math.inf
        self._other: TaskID | None = None
        super().__init__(*columns, **options)

    def get_renderables(self) -> Iterable[RenderableType]:
        """Called whenever it is drawn."""
        now = time.monotonic()
        if self._beside is not None and self.tasks and now - self._looked >= LOOK:
            self._looked = now
            doing = self._beside()
            if doing is not None:
                self._show(doing)
        yield from super().get_renderables()

    def _show(self, doing: Doing) -> None:
        rate = "" if not doing.pace else f"{1 / doing.pace:.3g}/s"
        numbers = _in_words(dict(doing.numbers))
        if self._other is None:
            self._other = self.add_task(doing.title, rate=rate, numbers=numbers)
        self.update(
            self._other,
            description=doing.title,
            total=doing.total,
            completed=doing.done,
            rate=rate,
            numbers=numbers,
        )


class _RichBar:
    def __init__(self, progress: Progress, task: Any, done: int):
        self.progress = progress
        self.task = task
        self.before = done
        self.started = time.monotonic()

    def update(self, done: int, **numbers: float) -> None:
        rate = (done - self.before) / max(1e-9, time.monotonic() - self.started)
        self.progress.update(self.task, completed=done, rate=f"{rate:.3g}/s", numbers=_in_words(numbers))


class _Lines:
    """A line through `say` every ten seconds, and one at the end."""

    def __init__(self, say: Callable[[str], None], title: str, total: int, unit: str, done: int):
        self.say = say
        self.title = title
        self.total = total
        self.unit = unit
        self.before = done
        self.started = self.printed = time.monotonic()

    def update(self, done: int, **numbers: float) -> None:
        now = time.monotonic()
        if done < self.total and now - self.printed < SECONDS_BETWEEN_LINES:
            return
        self.printed = now
        rate = (done - self.before) / max(1e-9, now - self.started)
        so_far = f"{self.title}: {done}/{self.total} {self.unit}, {now - self.started:.0f} s, {rate:.3g}/s"
        self.say(f"{so_far}  {_in_words(numbers)}".rstrip())


def _in_words(numbers: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.3g}" for name, value in numbers.items())
