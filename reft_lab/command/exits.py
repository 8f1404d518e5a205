"""How the process ends: with one sentence and an exit code that tells why, and at once on a signal before a run is
at work.

run.py imports this file before anything that takes a while, so what is heavy is imported inside.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from reft_lab.errors import BadInput, RunFailed
from reft_lab.signals import PARENT, let_go_of_lost_terminal, stop_signals

FULL_ERROR = "HYDRA_FULL_ERROR"
WANTS_TRACEBACK = os.environ.get(FULL_ERROR) == "1"


def exit_on_signals(clean_up: Callable[[], None] = lambda: None) -> None:
    """At a signal that stops a run, clean up and end the process with 128 + the number of the signal.

    A run that begins takes the signals over and gives them back. A handler that raises would not do before that:
    packages catch what is raised while they are imported, or while a config is composed, and make an error of their
    own of it.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        let_go_of_lost_terminal()
        with suppress(Exception):
            clean_up()
            sys.stdout.flush()
        os.write(2, b"interrupted\n")
        os._exit(128 + number)

    for number in stop_signals():
        signal.signal(number, leave)


def end_with_sweep() -> None:
    """If this is a run of a study, let SIGKILL end it with the process that started it (on Linux)."""
    parent = os.environ.pop(PARENT, None)
    if parent is None or not sys.platform.startswith("linux"):
        return
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    if os.getppid() != int(parent):  # it ended before
        os._exit(1)


@contextmanager
def readers_may_leave() -> Iterator[None]:
    """For what is only printed: inside, a pipe whose reader has left (`--help | head`) is no error, and the rest is
    not written."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Otherwise Python would try to write what is still buffered at exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def exit_with_sentence(error: Exception) -> NoReturn:
    """End the process: 1 if the run failed, 2 if something the user gave cannot be used."""
    from reft_lab.config.explain import explain

    if WANTS_TRACEBACK:
        traceback.print_exception(error)
    print(f"error: {error if isinstance(error, (BadInput, RunFailed)) else explain(error)}", file=sys.stderr)
    sys.exit(1 if isinstance(error, RunFailed) else 2)
