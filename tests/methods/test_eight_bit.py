"""AdamW with moments of 8 bits: it trains as torch's does, and what is saved of it goes on bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.errors import BadInput
from reft_lab.methods import STAGES
from reft_lab.methods.settings import SFTConfig
from reft_lab.methods.stages import eight_bit
from reft_lab.methods.stages.optimizer import Optimizer, constant, moment_bytes
from reft_lab.methods.stages.supervised import SupervisedFineTuning
from reft_lab.policy.model import Policy
from tests.methods.test_sft import make_examples, weights
from tests.small_models import make_kind

STEPS = 40


@pytest.fixture(autouse=True)
def _bitsandbytes() -> None:
    pytest.importorskip("bitsandbytes", reason="it comes with the extra `bitsandbytes`")


def make_stage(optimizer: str) -> SupervisedFineTuning:
    """On a model whose matrices are large enough for moments of 8 bits."""
    config = SFTConfig(epochs=STEPS, batch_size=12, lr=1e-3, schedule="constant", weight_decay=0.01)
    policy = Policy(make_kind("llama", hidden_size=64, intermediate_size=96), critic=False)
    return SupervisedFineTuning(
        policy,
        make_examples(12),
        config,
        kind=STAGES["warmup"],
        seed=0,
        pad_id=0,
        tokens_per_micro_batch=10_000,
        optimizer=optimizer,
    )


@pytest.fixture(scope="module")
def trained() -> dict[str, tuple[SupervisedFineTuning, list[float]]]:
    """Stages with each optimiser after STEPS steps, and their losses."""
    stages = {name: make_stage(name) for name in ("adamw", "adamw_8bit")}
    return {
        name: (stage, [stage.advance().metrics["warmup/loss"] for _ in range(STEPS)]) for name, stage in stages.items()
    }


def test_it_learns_as_torch_s_adamw_does(trained):
    """Moments are off by some per cent each, at random: the losses are not, and the weights end up side by side."""
    (exact, losses), (short, others) = trained["adamw"], trained["adamw_8bit"]
    assert losses[-1] < 0.6 * losses[0]
    assert others == pytest.approx(losses, rel=0.02)
    start = weights(make_stage("adamw"))
    apart, moved = (weights(short) - weights(exact)).norm(), (weights(exact) - start).norm()
    assert 0 < apart < 0.1 * moved


def test_matrices_have_moments_of_8_bits_and_all_else_of_32(trained):
    stage, _ = trained["adamw_8bit"]
    spared = {id(parameter) for parameter in stage.policy.undecayed()}
    saved = stage.optimizer.tensors()
    kinds = set()
    for number, parameter in enumerate(stage.optimizer.parameters):
        own = {name.partition(".")[2]: value for name, value in saved.items() if name.startswith(f"{number}.")}
        moments = {value.dtype for value in own.values() if value.shape == parameter.shape}
        is_short = id(parameter) not in spared and parameter.numel() >= 4096
        assert moments == {torch.uint8 if is_short else torch.float32}
        steps = own.pop("step")
        assert steps == STEPS
        taken = sum(value.numel() * value.element_size() for value in own.values())
        assert taken == moment_bytes(stage.policy, [parameter], "adamw_8bit")
        assert moment_bytes(stage.policy, [parameter], "adamw") == 8 * parameter.numel()
        kinds.add((is_short, parameter.ndim))
    assert {(True, 2), (False, 2), (False, 1)} <= kinds


def test_what_is_saved_goes_on_bit_for_bit(trained, tmp_path: Path):
    whole, _ = trained["adamw_8bit"]
    first, second = make_stage("adamw_8bit"), make_stage("adamw_8bit")
    for _ in range(STEPS - 3):
        first.advance()
    save_file(first.optimizer.tensors(), tmp_path / "state.safetensors")
    second.policy.load_state_dict(first.policy.state_dict())
    second.optimizer.restore(load_file(tmp_path / "state.safetensors"))
    second.restore(first.counters())
    for _ in range(3):
        second.advance()
    assert torch.equal(weights(second), weights(whole))
    one, other = (stage.optimizer.tensors() for stage in (whole, second))
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_parameters_without_a_gradient_have_no_state_before_and_after():
    policy = Policy(make_kind("llama", hidden_size=64, intermediate_size=96))
    options = {"kind": "adamw_8bit", "second": policy.value_parameters(), "second_lr": 1e-2}
    one, other = (Optimizer(policy, policy.parameters(), SFTConfig(), constant(0), **options) for _ in range(2))
    for parameter in policy.value_parameters():
        parameter.grad = torch.ones_like(parameter)
    one.step()
    assert one.rates == [1e-5, 1e-2]
    assert [group.steps for group in one.groups] == [0, 1]
    other.restore(one.tensors())
    assert {name.partition(".")[0] for name in one.tensors()} == {name.partition(".")[0] for name in other.tensors()}
    assert len({name.partition(".")[0] for name in other.tensors()}) == len(policy.value_parameters()) == 2


def test_parts_that_would_cut_blocks_are_one_sentence():
    for shape, parts in (((64, 64), 2), ((4096, 4096), 8), ((1536, 576), 8)):
        eight_bit.check_parts(torch.Size(shape), parts)
    for shape, parts in (((64, 64), 3), ((64, 68), 2)):
        with pytest.raises(BadInput) as caught:
            eight_bit.check_parts(torch.Size(shape), parts)
        assert f"{parts} parts of a matrix of {shape[0]} by {shape[1]} would cut them; take another" in str(
            caught.value
        )


def test_a_device_that_is_not_served_is_one_sentence():
    eight_bit.try_on("cpu")
    with pytest.raises(BadInput, match=r"^trainer.optimizer=adamw_8bit does not work on the device meta here .*\.$"):
        eight_bit.try_on("meta")


def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(eight_bit, "find_spec", lambda name: None)
    with pytest.raises(BadInput) as caught:
        check(compose("trainer.optimizer=adamw_8bit"))
    assert str(caught.value) == (
        "trainer.optimizer=adamw_8bit needs the package bitsandbytes: pip install 'reft_lab[bitsandbytes]'."
    )
    assert check(compose()).trainer.optimizer == "adamw"
