"""How a run ends other than well: its user gave something unusable, it cannot go on, or it was told to stop."""

from __future__ import annotations


class BadInput(Exception):
    """What the user gave cannot be used.

    The message is one sentence for the user: what is wrong, where, and what to do. The command line prints it without
    a traceback and exits with code 2.
    """


class RunFailed(Exception):
    """A run that began cannot go on.

    The message is one sentence for the user: what happened, and what to do. The command line prints it without a
    traceback and exits with code 1.
    """


class Pruned(Exception):
    """A run is stopped by the study it is a trial of, because others do better; the message says where."""


class Interrupted(KeyboardInterrupt):
    """A run was told to stop by a signal; the command line exits with 128 + `signal`.

    Attributes:
        signal: number of the signal, SIGINT or SIGTERM.
    """

    def __init__(self, signal: int):
        super().__init__(f"stopped by signal {signal}")
        self.signal = signal
