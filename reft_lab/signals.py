"""The signals that stop a run, and how child processes are kept from receiving them."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Ctrl-C; a plain kill; a dropped connection; the warning that schedulers such as Slurm send before time is up.
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

# Names the process that this one must not outlive, so that a killed sweep leaves no runs behind.
PARENT = "REFT_LAB_PARENT"


def stop_signals() -> list[signal.Signals]:
    """Those of STOPS that this process handles: all that it was not started to ignore (by nohup, say)."""
    return [number for number in STOPS if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def children_are_spared(*more: signal.Signals) -> Iterator[None]:
    """Processes started inside ignore a dropped connection and a scheduler's warning, which reach whole process groups.

    Their parent stops them once it has saved its own state. It receives such a signal after the block, if one comes in
    the meantime.

    Args:
        more: other signals for them to ignore; one that comes in the meantime is lost.
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
    """Discard what is still to be printed, if the terminal or pipe that it goes to is gone.

    Writing there would raise an error, and a run whose connection dropped must still save its state.
    """
    for descriptor in (1, 2):
        poll = select.poll()
        poll.register(descriptor, 0)  # reports only that the other end is closed
        if poll.poll(0):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
