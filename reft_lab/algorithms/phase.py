"""Which part of a step was at work when memory ran out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from reft_lab.errors import is_memory


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
    except Exception as error:
        if not is_memory(error):
            raise
        raise OutOfMemory(name, error) from error
