"""What a model brings along is never run: no pickle, no code of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from reft_lab.errors import BadInput
from reft_lab.policy import loading, saving
from reft_lab.policy.model import Policy
from reft_lab.policy.settings import ModelConfig
from tests.small_models import save_checkpoint


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, sprung: Path):
        self.sprung = sprung

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.sprung), "w")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_checkpoint(tmp_path / "model", "llama", ["a b c"], ["<pad>", "</s>"], eos_token="</s>")


def as_pickle(model: Path, **more: object) -> None:
    """Replace the weights of a folder by a pickle of the same, with `more` in it."""
    weights = model / "model.safetensors"
    torch.save({**load_file(weights), **more}, model / "pytorch_model.bin")
    weights.unlink()


def test_a_trap_springs_where_it_is_unpickled(tmp_path: Path) -> None:
    torch.save(Trap(tmp_path / "sprung"), tmp_path / "file")
    torch.load(tmp_path / "file", weights_only=False)
    assert (tmp_path / "sprung").exists()


def test_a_folder_with_a_pickle_only_is_refused(model: Path, tmp_path: Path) -> None:
    as_pickle(model, trap=Trap(tmp_path / "sprung"))
    for use in (loading.check_source, lambda config: loading.load(config, [], seed=0)):
        with pytest.raises(BadInput, match=r"holds no weights as safetensors.*write it with save_pretrained\.$"):
            use(ModelConfig(path=str(model)))
    assert not (tmp_path / "sprung").exists()


def test_a_pickle_beside_the_weights_is_not_looked_at(model: Path, tmp_path: Path) -> None:
    for name in ("pytorch_model.bin", "value_model.bin", "training_args.bin", "optimizer.pt"):
        torch.save({"trap": Trap(tmp_path / "sprung")}, model / name)
    lm, tokenizer = loading.load(ModelConfig(path=str(model)), [], seed=0)
    policy = Policy(lm)
    saving.save(policy, tokenizer, tmp_path / "best", {})
    torch.save({"trap": Trap(tmp_path / "sprung")}, tmp_path / "best" / "pytorch_model.bin")
    saving.load_weights(policy, tmp_path / "best")
    assert not (tmp_path / "sprung").exists()


def test_code_that_a_model_brings_is_not_run(model: Path, tmp_path: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    kinds = {name: f"mine.{name}" for name in ("AutoConfig", "AutoModelForCausalLM")}
    (model / "config.json").write_text(json.dumps(config | {"model_type": "mine", "auto_map": kinds}))
    (model / "mine.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\n")
    with pytest.raises(BadInput, match="cannot load the config of model"):
        loading.check_source(ModelConfig(path=str(model)))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("is_trap", [False, True])
def test_of_a_pickle_on_the_hub_only_tensors_are_taken(repo: Path, model: Path, tmp_path: Path, is_trap: bool) -> None:
    """Some models there, such as Galactica, are not to be had otherwise."""
    as_pickle(model, **({"trap": Trap(tmp_path / "sprung")} if is_trap else {}))
    cached = tmp_path / "hub" / "models--someone--small"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("0" * 40)
    (cached / "snapshots").mkdir()
    model.rename(cached / "snapshots" / ("0" * 40))
    script = (
        "from reft_lab.policy import loading\nfrom reft_lab.policy.settings import ModelConfig\n"
        "print(loading.load(ModelConfig(path='someone/small'), [], seed=0)[0].num_parameters() > 0)"
    )
    environment = os.environ | {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(repo)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120)
    if is_trap:
        assert "BadInput: cannot load the weights of model someone/small" in done.stderr
    else:
        assert done.stdout == "True\n", done.stderr
    assert not (tmp_path / "sprung").exists()
