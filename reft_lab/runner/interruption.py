"""Ctrl-C and the other signals that stop a run: the first one at the end of its step, the second one at once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

from reft_lab.errors import Interrupted
from reft_lab.signals import let_go_of_lost_terminal, stop_signals

# The longest that a step may go on after the first signal, in seconds.
PATIENCE = 30.0
# A scheduler's signal reaches all processes of a job, and is handed on besides by those that started others: what comes
# within so many seconds is one signal. Not Ctrl-C, which a person may press twice.
TOGETHER = 1.0


class Interruption:
    """Handles the signals that stop a run (reft_lab/signals.py) while it is entered.

    Outside of `step` and `unbroken` a signal raises Interrupted at once. Inside, the first one is kept in `asked`, for
    the work to stop where that leaves everything in order.

    Attributes:
        asked: the signal that came; None as long as there was none.
        at_once: whether a second one came.
    """

    def __init__(self, say: Callable[[str], None], *, is_deaf: bool = False):
        """Args:
        say: tells the user what is going to happen.
        is_deaf: let signals pass: another process of the run hears them, and says in `asked` what it has heard.
        """
        self.asked: int | None = None
        self.at_once = False
        self._say = say
        self._hears = signal.SIG_IGN if is_deaf else self._hear
        self._before: dict[int, Any] = {}
        self._kept = False
        self._heard_at = 0.0
        self._ends: float | None = None  # when the step at work should be over, by the one before it

    @contextmanager
    def step(self, expected: float) -> Iterator[None]:
        """One step: a signal waits for its end, PATIENCE seconds at most, and not at all if it takes longer anyway.

        By experience, the step is going to take `expected` seconds.
        """
        self._ends = time.monotonic() + expected
        with self.unbroken():
            try:
                yield
            finally:
                self._set_timer(0.0)
                self._ends = None

    @contextmanager
    def unbroken(self) -> Iterator[None]:
        """Work that the first signal never breaks, such as writing a checkpoint."""
        before, self._kept = self._kept, True
        try:
            yield
        finally:
            self._kept = before

    def check(self) -> None:
        """Stop here if a signal came.

        Raises:
            Interrupted: one came.
        """
        if self.asked:
            raise Interrupted(self.asked)

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # only there may one say what happens on a signal
            for number in stop_signals():
                self._before[number] = signal.signal(number, self._hears)
            self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._time_is_up)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._set_timer(0.0)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _hear(self, number: int, frame: FrameType | None) -> None:
        is_again = self.asked is not None and signal.SIGINT not in (number, self.asked)
        if is_again and time.monotonic() - self._heard_at < TOGETHER:
            return
        self._heard_at = time.monotonic()
        self.at_once = self.asked is not None
        self.asked = number
        let_go_of_lost_terminal()
        again = "Ctrl-C again" if number == signal.SIGINT else "a second signal"
        if self.at_once or not self._kept:
            raise Interrupted(number)
        if self._ends is None:
            self._say(f"stopping as soon as what is being written is complete; {again} stops at once.")
        elif self._ends - time.monotonic() > PATIENCE:
            raise Interrupted(number)
        else:
            self._say(f"stopping after this step; {again} stops at once.")
            self._set_timer(PATIENCE)

    def _time_is_up(self, number: int, frame: FrameType | None) -> None:
        assert self.asked is not None
        raise Interrupted(self.asked)

    def _set_timer(self, seconds: float) -> None:
        if signal.SIGALRM in self._before:
            signal.setitimer(signal.ITIMER_REAL, seconds)
