"""Which part of a step was at work when memory ran out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class OutOfMemory(Exception):
    """There was not enough memory.

    Attributes:
        phase: what was going on, such as `sampling`.
    """

    def __init__(self, phase: str, cause: BaseException):
        super().__init__(f"out of memory while {phase}: {cause}")
        self.phase = phase


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Inside, running out of memory raises OutOfMemory with `name`."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not is_memory(error):
            raise
        raise OutOfMemory(name, error) from error


def is_memory(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory."""
    import torch

    text = str(error)
    return (
        isinstance(error, (MemoryError, torch.OutOfMemoryError))
        or "DefaultCPUAllocator" in text  # torch has no class of its own for it
        or "not enough memory" in text
        or "Cannot allocate memory" in text  # a file could not be mapped
    )
