"""Ctrl-C and SIGTERM before a run is at work: the process ends at once, without a traceback."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

# A handler that raises would not do: packages catch what is raised while they are imported, or while a config is
# composed, and make an error of their own of it.


def exit_on_signals(clean_up: Callable[[], None] = lambda: None) -> None:
    """At SIGINT or SIGTERM, clean up and end the process with 128 + the number of the signal.

    A run that begins takes the signals over and gives them back.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        with suppress(Exception):
            clean_up()
            sys.stdout.flush()
        os.write(2, b"interrupted\n")
        os._exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        # A process that was started deaf to a signal (nohup, a child beside its run) stays so.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, leave)
