"""Completion in bash: of `reft`, and Hydra's own of run.py."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.ended import Ended

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def in_bash(script: str, folder: Path, **more: str) -> Ended:
    environment = {**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", ""), **more}
    done = subprocess.run(
        ["bash", "--norc", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def path_with_reft(tmp_path: Path, repo: Path) -> str:
    """A search path on which `reft` is."""
    script = tmp_path / "bin" / "reft"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nPYTHONPATH={repo} exec {sys.executable} -m reft_lab.cli "$@"\n')
    script.chmod(0o755)
    return f"{script.parent}:{os.environ['PATH']}"


def test_bash_completes_commands_and_options(tmp_path: Path, path_with_reft: str) -> None:
    shown = in_bash("reft --show-completion bash", tmp_path, PATH=path_with_reft, **UNKNOWN_SHELL)
    assert (shown.code, shown.err) == (0, "")
    typed = '{shown}\nCOMP_WORDS=({words})\nCOMP_CWORD={at}\n_reft_completion reft\necho "${{COMPREPLY[@]}}"'
    for words, expected in (
        ("reft au", ["audit", "audit-critic"]),
        ("reft best --j", ["--json"]),
    ):
        script = typed.format(shown=shown.out, words=words, at=len(words.split()) - 1)
        ended = in_bash(script, tmp_path, PATH=path_with_reft)
        assert sorted(ended.out.split()) == expected, ended


def test_bash_completes_choices_and_options_of_an_experiment(tmp_path: Path, repo: Path) -> None:
    script = f'source <("{sys.executable}" "{repo}/run.py" -sc install=bash)\ncomplete -p | grep hydra'
    ended = in_bash(script, tmp_path, PYTHONPATH=str(repo))
    assert "hydra_bash_completion" in ended.out, ended.err
    line = f"python {repo}/run.py debug="
    query = f'COMP_LINE="{line}" COMP_POINT={len(line)} "{sys.executable}" "{repo}/run.py" -sc query=bash'
    ended = in_bash(query, tmp_path, PYTHONPATH=str(repo))
    assert sorted(ended.out.split()) == ["debug=overfit", "debug=profile", "debug=quick"], ended.err


UNKNOWN_SHELL = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
