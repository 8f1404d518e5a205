"""A real run of debug size, made once, and copies of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.made_once import made_once

REPO = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with a baseline, W&B's offline files and a report. Tests only read it, or work on copies."""
    return made_once(tmp_path_factory, "real_run", _make) / "run"


def copied(made: Path, to: Path) -> Path:
    """A copy without the weights."""
    return shutil.copytree(made, to, symlinks=True, ignore=shutil.ignore_patterns("checkpoints"))


def _make(folder: Path) -> None:
    words = ["debug=quick", "warmup.epochs=1", "ppo.iterations=3", "tracker.group=a study", "tracker.tags=[one,two]"]
    ended = subprocess.run(
        [sys.executable, str(REPO / "run.py"), *words, f"hydra.run.dir={folder / 'run'}"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
