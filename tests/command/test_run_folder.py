"""Every run has a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hydra.types import RunMode
from omegaconf import OmegaConf

from reft_lab.command.run_folder import claim
from reft_lab.compose.conf import Conf, register_schema
from reft_lab.errors import BadInput


@pytest.mark.parametrize(("mode", "kind"), [(RunMode.RUN, "run"), (RunMode.MULTIRUN, "sweep")])
def test_runs_that_start_at_the_same_moment_never_share_a_folder(tmp_path, mode, kind):
    register_schema()
    composed = Conf().compose([], mode)
    OmegaConf.update(composed, f"hydra.{kind}.dir", str(tmp_path / "day" / "it's now"), force_add=True)
    with ThreadPoolExecutor(16) as pool:
        told = [words[0] for _, words in pool.map(lambda _: claim(composed, []), range(40))]
    assert len(set(told)) == len(list((tmp_path / "day").iterdir())) == 40
    assert all(word.startswith(f"hydra.{kind}.dir='") for word in told)


def test_a_folder_that_the_user_names_is_taken_as_it_is(tmp_path):
    register_schema()
    word = f"hydra.run.dir={tmp_path / 'mine'}"
    for _ in range(2):
        assert claim(Conf().compose([word]), [word]) == (tmp_path / "mine", [])
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    register_schema()
    (tmp_path / "file").write_text("")
    word = f"hydra.run.dir={tmp_path / 'file' / 'run'}"
    with pytest.raises(BadInput, match=r"cannot be made .*; name another: hydra\.run\.dir=DIR\."):
        claim(Conf().compose([word]), [word])


def test_nothing_is_made_where_nothing_runs(repo, tmp_path):
    for words in (["--cfg", "job"], ["--help"], ["ppo.lam=2"], ["model=codellama", "model.path=./nowhere"]):
        subprocess.run(
            [sys.executable, str(repo / "run.py"), *words], cwd=tmp_path, env=os.environ, capture_output=True
        )
    assert not list(Path(tmp_path).rglob("*run*"))
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
