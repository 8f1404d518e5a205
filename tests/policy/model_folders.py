"""Model folders that tests spoil, and what is then said of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from reft_lab.errors import BadInput
from reft_lab.policy import loading
from reft_lab.policy.settings import ModelConfig

WEIGHTS = "model.safetensors"


def copied(made: Path, family: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / family, tmp_path / family))


def refused(model: Path) -> str:
    """What both the check of a start and loading itself say."""
    config, said = ModelConfig(path=str(model)), []
    for use in (loading.check_source, lambda config: loading.load(config, [], seed=0)):
        with pytest.raises(BadInput) as caught:
            use(config)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert "\n" not in said[0]
    assert said[0].endswith(".")
    return said[0]


def rewrite(model: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    weights = change(load_file(model / WEIGHTS))
    save_file(
        {name: tensor.contiguous().clone() for name, tensor in weights.items()}, model / WEIGHTS, {"format": "pt"}
    )


def reconfigure(model: Path, **changes: object) -> None:
    content = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(content | changes))
