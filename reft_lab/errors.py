"""Why a run ends early: its user gave something unusable, it cannot go on, or it was told to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reft_lab.phases import doing
from reft_lab.text import one_line


class BadInput(Exception):
    """What the user gave cannot be used.

    The message is one sentence for the user: what is wrong, where, and what to do. The command line prints it without
    a traceback and exits with code 2.
    """


class Missing(BadInput):
    """What another command makes is not there.

    Attributes:
        what: the beginning of the sentence: what is missing, without what to do.
    """

    def __init__(self, what: str, to_do: str):
        super().__init__(f"{what}; {to_do}")
        self.what = what


class RunFailed(Exception):
    """A run that began cannot go on.

    The message is one sentence for the user: what happened, and what to do. The command line prints it without a
    traceback and exits with code 1.
    """


class RewardFailed(RunFailed):
    """The user's own reward has no number for a response; the state from before it is whole, and can be saved."""


class RankLost(RunFailed):
    """Another of the processes that share a run has ended, so that this one cannot go on."""


class Pruned(Exception):
    """A run was stopped by its study, because other trials do better; the message says where."""


class Interrupted(KeyboardInterrupt):
    """A run was told to stop by a signal; the command line exits with 128 + `signal`.

    Attributes:
        signal: number of the signal.
    """

    def __init__(self, signal: int):
        super().__init__(f"stopped by signal {signal}")
        self.signal = signal


class OutOfMemory(Exception):
    """Memory ran out.

    Attributes:
        phase: what the run was doing, such as `sampling`.
    """

    def __init__(self, phase: str, cause: BaseException):
        super().__init__(f"out of memory while {phase}: {cause}")
        self.phase = phase


@contextmanager
def foreign_errors(sentence: Callable[[BaseException], str]) -> Iterator[None]:
    """Inside, any error that a library raises on the user's input becomes BadInput.

    A list of classes would not do: libraries raise anything, even panics of Rust, which are not an Exception. Errors of
    this package, those that stop a process and a lack of memory pass unchanged.

    Args:
        sentence: what to tell the user about an error.

    Raises:
        BadInput: with that sentence.
    """
    try:
        yield
    except (BadInput, RunFailed, Pruned, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        if is_memory(error):
            raise
        raise BadInput(sentence(error)) from error


LOADING = "loading the model"  # the phase in which nothing but a smaller model helps


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Inside, the process is in the phase `name`, and running out of memory raises OutOfMemory with that."""
    try:
        with doing(name):
            yield
    except Exception as error:
        if not is_memory(error):
            raise
        raise OutOfMemory(name, error) from error


def is_memory(error: BaseException | None) -> bool:
    """Whether an error says that there was not enough memory."""
    text = str(error)
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"  # torch's, without importing torch
        or "DefaultCPUAllocator" in text  # torch has no class for this
        or "out of memory" in text  # nor for errors of the CUDA driver
        or "not enough memory" in text
        or "Cannot allocate memory" in text  # a file could not be mapped
    )


def first_sentence(error: BaseException) -> str:
    """The first sentence of an error, on one line and without its full stop; the class where there is no message."""
    text = one_line(error)
    for end in (". ", " (Request ID"):
        text = text.split(end)[0]
    return text.rstrip(". ")
