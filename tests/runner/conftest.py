"""What several tests of the runner look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runner.small_runs import SMALL, finish


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of SMALL. Tests only read it."""
    return finish(tmp_path_factory.mktemp("small") / "run", *SMALL)
