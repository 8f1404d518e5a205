"""Small models in folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.policy.model_folders import copied
from tests.small_models import FAMILIES, save_checkpoint

TEXTS = ["Tom has 3 pens and buys 4 more."]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    for family in FAMILIES:
        save_checkpoint(folder / family, family, TEXTS, ["<pad>", "</s>"], pad_token="<pad>", eos_token="</s>")
    return folder


@pytest.fixture
def model(made: Path, tmp_path: Path) -> Path:
    """A Llama in a folder of its own."""
    return copied(made, "llama", tmp_path)
