"""`reft watch`."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from reft_lab.analysis.found import is_study, place_of
from reft_lab.analysis.live import LiveRun
from reft_lab.analysis.live_study import LiveStudy
from reft_lab.analysis.load import run_directories
from reft_lab.cli.finding import FOLDERS, find_run, folder_called
from reft_lab.cli.watch.document import of_run, of_study
from reft_lab.cli.watch.run_picture import RunPicture
from reft_lab.cli.watch.study_picture import StudyPicture
from reft_lab.errors import BadInput
from reft_lab.run_dir.files import CONFIG, LOCK, looks_like_a_run
from reft_lab.run_dir.lock import is_held

EVERY = 1.0  # seconds between two looks


class Picture(Protocol):
    """What is watched."""

    def look(self) -> None:
        """Take in what is new."""

    @property
    def is_over(self) -> bool:
        """Whether nothing will change any more."""

    def lines(self, width: int, height: int | None = None) -> list[Text]:
        """As it is now, in at most so many columns and lines."""


def watch(name: str | None, *, once: bool) -> None:
    """Show a run or a study until it ends or somebody has seen enough; with `once`, or in a pipe, as it is now.

    Raises:
        BadInput: there is no such run or study, or none is running and none was named.
    """
    folder, is_run = _found(name)
    picture: Picture = RunPicture(folder) if is_run else StudyPicture(folder)
    console = Console(highlight=False)
    if isinstance(sys.stdout.encoding, str) and not sys.stdout.encoding.lower().startswith("utf"):
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    if not once and console.is_terminal and not picture.is_over:
        _live(picture, console)
    for line in picture.lines(console.width):
        console.print(line)


def state(name: str | None) -> dict[str, Any]:
    """A run or a study as it is now, for programs.

    Raises:
        BadInput: as `watch`.
    """
    folder, is_run = _found(name)
    return of_run(LiveRun(folder)) if is_run else of_study(LiveStudy(folder))


def _found(name: str | None) -> tuple[Path, bool]:
    """The folder that is meant, and whether it is that of a run."""
    folder = _running() if name is None else folder_called(name) or Path(str(find_run(name).directory))
    is_run = looks_like_a_run({entry.name for entry in folder.iterdir()})
    if not is_run and not is_study(folder) and next(run_directories(folder), None) is None:
        raise BadInput(f"there are no runs in {folder}; name a run directory, a study, or a folder that holds some.")
    return folder, is_run


def _live(picture: Picture, console: Console) -> None:
    """Show it on a screen of its own, until it is over or left with q or a signal."""

    def screen() -> Group:
        width, height = console.size
        keys = Text("q leaves; the run goes on", "dim")
        keys.truncate(width)
        lines = picture.lines(width, height - 1)
        return Group(*lines, *[Text()] * (height - 1 - len(lines)), keys)

    try:
        with _stopped_by_signals(), _keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(screen(), refresh=True)
                if picture.is_over or pressed(EVERY) == "q":
                    return
                picture.look()
    except KeyboardInterrupt:
        return


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Gives what waits so many seconds for a key and returns it, empty where there was none."""
    if not sys.stdin.isatty():
        yield _nothing
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def pressed(seconds: float) -> str:
        ready, _, _ = select.select([descriptor], [], [], seconds)
        return os.read(descriptor, 1).decode(errors="replace").lower() if ready else ""

    try:
        tty.setcbreak(descriptor)
        yield pressed
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _nothing(seconds: float) -> str:
    select.select([], [], [], seconds)
    return ""


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Inside, signals that end a process leave the terminal as it was before."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _running() -> Path:
    """The run that began last of those that are running here, or the study that it belongs to.

    Raises:
        BadInput: none is running.
    """
    folders = [Path(folder) for folder in FOLDERS if Path(folder).is_dir()]
    found = [run for folder in folders for run in run_directories(folder) if is_held(run)]
    if not found:
        newest = max((run for folder in folders for run in run_directories(folder)), key=_begun, default=None)
        named = f", such as the newest: reft watch {newest}" if newest else ""
        raise BadInput(f"no run is running in {' or '.join(FOLDERS)} (seen from {Path.cwd()}); name one{named}.")
    run = max(found, key=lambda each: (each / LOCK).stat().st_mtime if (each / LOCK).exists() else 0.0)
    place = place_of(run)
    return run if place.folder is None else place.folder


def _begun(run: Path) -> float:
    return (run / CONFIG).stat().st_mtime if (run / CONFIG).exists() else 0.0
