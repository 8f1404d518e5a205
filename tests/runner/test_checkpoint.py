"""The full training state: a stage restored from disk goes on bit for bit."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from reft_lab.runner import checkpoint
from tests.algorithms import test_reft, test_sft


def weights(stage) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in stage.policy.parameters()])


@pytest.mark.parametrize(
    "make",
    [
        lambda: test_sft.make_stage(family="gpt2"),
        lambda: test_sft.make_stage(family="llama"),
        test_reft.make_stage,
        lambda: test_reft.make_stage(replace(test_reft.CONFIG, samples_per_problem=2), separate=True),
    ],
    ids=["sft gpt2", "sft llama", "reft", "reft separate value model"],
)
def test_a_restored_stage_goes_on_bit_for_bit(make, tmp_path):
    whole, first = make(), make()
    while not whole.done:
        whole.advance()
    first.advance()
    first.advance()
    checkpoint.save(tmp_path / "last", first, {"tracker_step": 2})
    checkpoint.save(tmp_path / "last", first, {"tracker_step": 3})  # takes the place of the one before
    second = make()
    facts = checkpoint.load(tmp_path / "last", second)
    assert facts["tracker_step"] == 3
    assert second.step == 2
    while not second.done:
        second.advance()
    assert torch.equal(weights(whole), weights(second))
    assert [p.name for p in tmp_path.iterdir()] == ["last"]
    assert json.loads((tmp_path / "last" / "state.json").read_text())["step"] == 2
