"""A model that was trained before, with the settings that are for random weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.policy.loading import make_llama
from reft_lab.policy.settings import ScratchConfig
from reft_lab.programs import ProgramRunner
from reft_lab.runner.setup import prepare


@pytest.mark.parametrize(("width", "is_said"), [(16, False), (512, True)])
def test_a_larger_model_with_the_settings_of_tiny_is_remarked_on(tmp_path: Path, width: int, is_said: bool) -> None:
    tiny = check(compose("data.train_size=40", "data.dev_size=4", "data.test_size=4", "baseline=null"))
    with ProgramRunner(tiny.programs) as programs:
        tokenizer = prepare(tiny, programs).codec.tokenizer
        size = ScratchConfig(hidden_size=width, mlp_size=4 * width, layers=2, heads=4)
        make_llama(size, tokenizer, seed=0).save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        words = ["data.train_size=40", "data.dev_size=4", "data.test_size=4", "baseline=null", f"model.path={tmp_path}"]
        notes = prepare(check(compose(*words)), programs).notes
        named = prepare(check(compose(*words, "model.name=mine")), programs).notes
    assert any("settings of model=tiny" in note for note in notes) == is_said
    assert not any("settings of model=tiny" in note for note in named)
