"""A real run of debug size, made once a session, and copies of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with a baseline and W&B's offline files. Tests work on copies: `copied`."""
    folder = tmp_path_factory.mktemp("analysis") / "run"
    tiny = ["warmup.epochs=1", "ppo.iterations=3", "tracker.group=a study", "tracker.tags=[one,two]"]
    ended = subprocess.run(
        [sys.executable, str(REPO / "run.py"), "debug=quick", *tiny, f"hydra.run.dir={folder}"],
        cwd=folder.parent,
        env={**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return folder


def copied(made: Path, to: Path) -> Path:
    """A copy without the weights."""
    return shutil.copytree(made, to, symlinks=True, ignore=shutil.ignore_patterns("checkpoints"))
