"""What every test may use."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from reft_lab.imports import imported_for_good

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")  # as the runner does; see choose_device
# Runs with a home folder of their own share what a report puts into the cache, which takes seconds to make.
os.environ.setdefault("XDG_CACHE_HOME", str(Path.home() / ".cache"))

REPO = Path(__file__).resolve().parent.parent


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """All that is imported here stays, and so do the tests."""
    with imported_for_good():
        return (yield)


@pytest.fixture(scope="session")
def repo() -> Path:
    """The root of the repository."""
    return REPO


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real data sets, kept beside the repository. In CI a missing folder is a failure, not a skip."""
    folder = REPO.parent / "shared" / "data"
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"the real data sets are missing: {folder}")
        pytest.skip("the real data sets (../shared/data) are not here")
    return folder
