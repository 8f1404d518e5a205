"""What hostile programs aim at, and the jail they are in."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reft_lab.programs.settings import ProgramsConfig

if TYPE_CHECKING:
    from reft_lab.programs.jail import JailWorker


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    """A listening socket that nobody should connect to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that nobody should touch."""
    file = tmp_path_factory.mktemp("canary") / "file"
    file.write_text("untouched")
    return file


@pytest.fixture(scope="module")
def jail() -> Iterator["JailWorker"]:
    """The second engine alone. Linux only."""
    from reft_lab.programs.jail import JailWorker

    worker = JailWorker(ProgramsConfig(timeout=0.6))
    worker.check()
    yield worker
    worker.close()
