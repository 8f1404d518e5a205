"""run.py with an interpreter that lacks the packages, or is too old, says in one sentence which one to use."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def started(script: Path) -> subprocess.CompletedProcess[str]:
    """run.py by this Python without the folder of its packages."""
    command = [sys.executable, "-I", "-S", str(script), "seed=1"]
    return subprocess.run(command, cwd=script.parent, capture_output=True, text=True)


@pytest.mark.parametrize("has_venv", [False, True])
def test_one_sentence_says_which_interpreter_to_use(has_venv: bool, tmp_path: Path, repo: Path) -> None:
    script = Path(shutil.copy(repo / "run.py", tmp_path))
    if has_venv:
        (tmp_path / ".venv" / "bin").mkdir(parents=True)
        (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    ended = started(script)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert ended.stderr.startswith(f"error: {sys.executable} ")
    assert ended.stderr.endswith(
        "use .venv/bin/python in its place.\n" if has_venv else "makes one, .venv/bin/python.\n"
    )
    assert not list(tmp_path.glob("outputs*"))


def test_an_old_python_can_read_as_far_as_the_sentence(repo: Path) -> None:
    ast.parse((repo / "run.py").read_text(), feature_version=(3, 4))
