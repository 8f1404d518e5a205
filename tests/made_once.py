"""What takes long to make is made once, however many processes share the tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder `name`, made by whoever needs it first. Tests only read it.

    Args:
        factory: pytest's.
        name: of the folder, unlike any other.
        make: fills the folder, which is there and empty.
    """
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    base = factory.getbasetemp() if alone else factory.getbasetemp().parent
    folder, done = base / name, base / f"{name}.done"
    with FileLock(base / f"{name}.lock"):
        if not done.exists():
            folder.mkdir()  # fails where it could not be made before
            make(folder)
            done.touch()
    return folder
