"""How a run ends other than well: its user gave something unusable, it cannot go on, or it was told to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


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
        signal: number of the signal.
    """

    def __init__(self, signal: int):
        super().__init__(f"stopped by signal {signal}")
        self.signal = signal


class OutOfMemory(Exception):
    """There was not enough memory.

    Attributes:
        phase: what was going on, such as `sampling`.
    """

    def __init__(self, phase: str, cause: BaseException):
        super().__init__(f"out of memory while {phase}: {cause}")
        self.phase = phase


@contextmanager
def foreign_errors(sentence: Callable[[BaseException], str]) -> Iterator[None]:
    """Inside, whatever a library raises on the user's input becomes BadInput.

    No list of classes would do: libraries raise what they like, down to panics of Rust, which are no Exception. What
    stops a process, what this package raises and a lack of memory pass unchanged.

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
    """Inside, running out of memory raises OutOfMemory with `name`."""
    try:
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
        or type(error).__name__ == "OutOfMemoryError"  # torch's, which is not imported for this
        or "DefaultCPUAllocator" in text  # torch has no class of its own for it
        or "out of memory" in text  # nor for what the CUDA driver says
        or "not enough memory" in text
        or "Cannot allocate memory" in text  # a file could not be mapped
    )


def first_sentence(error: BaseException) -> str:
    """What an error says first, on one line and without a full stop; its class where it says nothing."""
    text = " ".join(str(error).split()) or type(error).__name__
    for end in (". ", " (Request ID"):
        text = text.split(end)[0]
    return text[:160].rstrip(". ")
