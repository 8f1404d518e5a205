"""Importing much at once."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def imported_for_good() -> Iterator[None]:
    """Inside, nothing is looked through for garbage, and what is there in the end never will be.

    Torch and transformers leave half a million objects, all of which stay. To look through them over and over while
    they come takes a sixth of the time of importing them, and a quarter of a second whenever it is done later.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
