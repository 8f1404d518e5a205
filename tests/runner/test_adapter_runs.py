"""Runs that train adapters: what they keep, what goes on from it, and that a kill changes no bit of it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.config.running import CheckpointConfig
from reft_lab.config.schema import Config
from reft_lab.policy import loading
from reft_lab.policy.adapters import with_adapter
from reft_lab.policy.model import Policy
from reft_lab.policy.settings import LoraConfig, ModelConfig
from reft_lab.runner import run
from reft_lab.runner.disk_space import bytes_needed
from reft_lab.tracking.display import Silence
from tests.runner.leftovers import outcome
from tests.runner.processes import Run
from tests.small_models import make_model

SMALL = (
    "tracker=none",
    "tracker.report=false",
    "baseline=null",
    "data.train_size=64",
    "data.dev_size=16",
    "data.test_size=16",
    "cot.number_slots=true",
    "warmup.epochs=2",
    "ppo.iterations=3",
    "ppo.rollouts=8",
    "ppo.mini_batch=8",
    "ppo.eval_every=3",
    "ppo.max_new_tokens=24",
    "checkpoint.every=1",
    "lora=r16",
    "model.lora.rank=4",
)
WARMUP = 8  # steps


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a separate value model on a model that is made on the spot, never stopped."""
    directory = tmp_path_factory.mktemp("adapted") / "run"
    words = (*SMALL, "checkpoint.keep=100", "model.value=separate", "model.lora.merge=true", "ppo.value_init=random")
    run(check(compose(*words)), directory, display=Silence())
    return directory


def is_own(name: str) -> bool:
    return "lora_" in name or name.startswith("value_head.")


def test_states_and_policies_hold_adapters_alone(whole: Path) -> None:
    checkpoints = whole / "checkpoints"
    states = [load_file(checkpoints / f"step-{number}" / "state.safetensors") for number in range(1, WARMUP + 3)]
    for number, state in enumerate((*states, load_file(checkpoints / "last" / "state.safetensors")), start=1):
        weights = {name.removeprefix("policy.") for name in state if name.startswith("policy.")}
        assert weights
        assert all(map(is_own, weights))
        assert any(name.startswith("value_trunk.") for name in weights) is (number > WARMUP)
        moments = sum(tensor.numel() for name, tensor in state.items() if name.endswith((".exp_avg", ".exp_avg_sq")))
        trained = [name for name in weights if number > WARMUP or name.startswith("lm.")]
        assert moments == 2 * sum(state[f"policy.{name}"].numel() for name in trained)
    for name in ("best", "warmup", "last/best"):
        folder = checkpoints / name
        assert (folder / "adapter_model.safetensors").exists()
        assert not (folder / "model.safetensors").exists()
        assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == str(
            (checkpoints / "base").absolute()
        )


def test_the_warm_up_trains_the_adapter_that_is_the_reference(whole: Path) -> None:
    checkpoints = whole / "checkpoints"
    first, after = (load_file(checkpoints / f"step-{n}" / "state.safetensors") for n in (1, WARMUP))
    reference = load_file(checkpoints / "warmup" / "adapter_model.safetensors")
    for name, tensor in reference.items():
        ours = name.replace("base_model.model.", "policy.lm.").replace(".weight", ".default.weight")
        assert torch.equal(tensor, after[ours])
    assert any(not torch.equal(after[name], tensor) for name, tensor in first.items() if ".lora_A." in name)
    began = load_file(checkpoints / f"step-{WARMUP + 1}" / "state.safetensors")
    trunk = {name: tensor for name, tensor in began.items() if name.startswith("policy.value_trunk.")}
    for name, tensor in trunk.items():  # it began with what the warm-up had learned
        before = after[name.replace("policy.value_trunk.", "policy.lm.model.")]
        assert (tensor - before).abs().max() < 1e-3


def test_the_best_policy_merged_is_an_ordinary_model(whole: Path) -> None:
    checkpoints = whole / "checkpoints"
    theirs = AutoModelForCausalLM.from_pretrained(checkpoints / "merged")
    ours = loading.load(ModelConfig(path=str(checkpoints / "best")), [], 0)[0]
    assert all(torch.equal(tensor, theirs.state_dict()[name]) for name, tensor in ours.state_dict().items())
    facts = [json.loads((checkpoints / name / "evaluation.json").read_text()) for name in ("best", "merged")]
    assert facts[0] == facts[1]


def test_what_it_led_to_is_evaluated_and_trained_further(whole: Path, tmp_path: Path) -> None:
    result = json.loads((whole / "result.json").read_text())
    words = ("tracker=none", "tracker.report=false", "method=evaluate", f"model.path={whole}")
    run(check(compose(*words)), tmp_path / "evaluated", display=Silence())
    again = json.loads((tmp_path / "evaluated" / "result.json").read_text())
    assert again["final"]["test"] == result["final"]["test"]
    assert again["policy"]["run"] == str(whole)
    ours, theirs = ((path / "predictions.jsonl").read_text().splitlines() for path in (whole, tmp_path / "evaluated"))
    assert [json.loads(line)["response"] for line in ours] == [json.loads(line)["response"] for line in theirs]

    best = whole / "checkpoints" / "best"
    run(check(compose(*SMALL, f"model.path={best}", "warmup.epochs=0")), tmp_path / "further", display=Silence())
    start = load_file(tmp_path / "further" / "checkpoints" / "warmup" / "adapter_model.safetensors")
    assert all(
        torch.equal(start[name], tensor) for name, tensor in load_file(best / "adapter_model.safetensors").items()
    )
    assert not (tmp_path / "further" / "checkpoints" / "base").exists()


def test_a_run_that_is_killed_again_and_again_ends_the_same(repo: Path, whole: Path, tmp_path: Path) -> None:
    words = [word for word in SMALL if "checkpoint" not in word] + [f"model.path={whole / 'checkpoints' / 'base'}"]
    directory = tmp_path / "whole" / "run"
    run(check(compose(*words)), directory, display=Silence())
    killed, dice = Run(repo, tmp_path / "killed", *words), random.Random()
    for step in (dice.randrange(1, WARMUP), dice.randrange(WARMUP + 1, WARMUP + 3)):
        session = killed.start()
        session.until(lambda step=step: killed.step >= step)
        session.kill()
    killed.finish()
    one, other = outcome(directory), outcome(killed.path)
    assert "checkpoints/best/adapter_model.safetensors" in one
    assert "checkpoints/last/state.safetensors" in one
    assert one == other


def test_the_disk_need_not_have_room_for_the_model_in_every_state() -> None:
    two = CheckpointConfig(keep=2)
    lora = LoraConfig(rank=2)
    policy = Policy(with_adapter(make_model("llama"), ModelConfig(lora=lora), 0))
    whole = 4 * sum(p.numel() for p in policy.parameters())
    own = 4 * sum(p.numel() for p in policy.parameters() if p.requires_grad)
    needed = bytes_needed(Config(checkpoint=two, model=ModelConfig(lora=lora)), policy)
    everything = bytes_needed(Config(checkpoint=two), Policy(make_model("llama")))
    # As many times the adapter as it would be times the model, and the model itself, once.
    assert needed - (32 << 20) == (everything - (32 << 20)) // (whole - own + 4 * 33) * own + whole
    merged = ModelConfig(lora=LoraConfig(rank=2, merge=True))
    assert bytes_needed(Config(checkpoint=two, model=merged), policy) == needed + 2 * whole
