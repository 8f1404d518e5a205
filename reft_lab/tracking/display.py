"""The terminal: progress bars where there is one, plain lines elsewhere, nothing for a process in the background."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from reft_lab.signals import let_go_of_lost_terminal

SECONDS_BETWEEN_LINES = 10.0


class Bar(Protocol):
    """The progress of one stage."""

    def update(self, done: int, **numbers: float) -> None:
        """Show that `done` units are done, with a few `numbers` worth watching."""


class Display:
    """What a run shows while it goes."""

    def __init__(self, console: Console | None = None):
        self.console = console or Console(highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """One line of text."""
        self._print(text, markup=False)

    def show(self, renderable: Any) -> None:
        """Anything rich can render."""
        self._print(renderable)

    def _print(self, renderable: Any, **options: Any) -> None:
        try:
            self.console.print(renderable, **options)
        except OSError:  # the terminal is gone, and the signal that says so is about to come
            let_go_of_lost_terminal()

    @contextmanager
    def stage(self, title: str, total: int, unit: str, done: int = 0) -> Iterator[Bar]:
        """A bar for `total` units of work (or a line every ten seconds where there is no terminal).

        `done` of them were done in an earlier session; they do not count in the rate.
        """
        if not self.console.is_terminal:
            yield _Lines(self, title, total, unit, done)
            return
        whole = Column(no_wrap=True, min_width=len(f"{total}/{total}"))
        columns = (  # all of it, with the numbers, fits in 80 columns
            TextColumn("{task.description:<6}", table_column=Column(no_wrap=True, min_width=6)),
            BarColumn(bar_width=None, table_column=Column(min_width=4, max_width=24, ratio=1)),
            MofNCompleteColumn(table_column=whole),
            TextColumn("[dim]{task.fields[rate]}[/dim]", table_column=Column(no_wrap=True)),
            TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[numbers]}", table_column=Column(no_wrap=True)),
        )
        with Progress(*columns, console=self.console, refresh_per_second=4) as progress:
            yield _RichBar(progress, progress.add_task(title, total=total, completed=done, rate="", numbers=""), done)


class Silence(Display):
    """Shows nothing."""

    def __init__(self) -> None:
        super().__init__(Console(quiet=True))

    @contextmanager
    def stage(self, title: str, total: int, unit: str, done: int = 0) -> Iterator[Bar]:
        yield _NoBar()


class _NoBar:
    def update(self, done: int, **numbers: float) -> None:
        return


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
    def __init__(self, display: Display, title: str, total: int, unit: str, done: int):
        self.display = display
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
        self.display.note(f"{so_far}  {_in_words(numbers)}")


def _in_words(numbers: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.3g}" for name, value in numbers.items())
