"""The signals that stop a run, and who must not hear them."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Ctrl-C; a plain kill; a connection that was dropped; the warning that Slurm and its like send before time is up.
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

# Names the process whose end must be the end of this one: a sweep that was killed leaves no runs behind.
PARENT = "REFT_LAB_PARENT"


def heard_stops() -> list[signal.Signals]:
    """Those that this process hears; one that it was started deaf to (nohup, a child beside its run) stays unheard."""
    return [number for number in STOPS if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def children_are_spared(*more: signal.Signals) -> Iterator[None]:
    """Processes started inside never hear of a dropped connection or a warning, which reach a whole group or step.

    They are stopped by the one that started them, once it has saved its state. One of these signals that comes in the
    meantime is heard afterwards.

    Args:
        more: other signals that they are to ignore; one that comes in the meantime is lost.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, *more})
    # Ignored as well: multiprocessing unblocks SIGINT when it starts its own helper beside the first process. Only
    # the main thread may say what happens on a signal.
    in_main = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in more if in_main}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_go_of_lost_terminal() -> None:
    """Send what is still to be printed nowhere, if the terminal or pipe that it goes to is gone.

    Writing there would raise, and a run whose connection was dropped has a state to save.
    """
    for descriptor in (1, 2):
        poll = select.poll()
        poll.register(descriptor, 0)  # reports only that the other end is closed
        if poll.poll(0):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
