"""model.value=separate: the critic begins with what the warm-up has learned, however often the run is stopped."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from safetensors.torch import load_file

from reft_lab.config.running import CheckpointConfig
from reft_lab.config.schema import Config
from reft_lab.policy.model import Policy
from reft_lab.policy.settings import ModelConfig
from reft_lab.runner.disk_space import bytes_needed
from tests.runner.leftovers import assert_same
from tests.runner.processes import Run
from tests.runner.small_runs import finish
from tests.small_models import make_model

SMALL = (
    "tracker=none",
    "tracker.report=false",
    "baseline=null",
    "model.value=separate",
    "data.train_size=64",
    "data.dev_size=16",
    "data.test_size=16",
    "warmup.epochs=2",
    "ppo.iterations=4",
    "ppo.rollouts=8",
    "ppo.mini_batch=8",
    "ppo.eval_every=4",
    "ppo.max_new_tokens=24",
    "checkpoint.every=1",
    "checkpoint.keep=100",
)
WARMUP = 8  # steps


def trunks(state: Path) -> tuple[dict, dict]:
    """The trunk of the policy and that of the value model in a full state."""
    tensors = load_file(state / "state.safetensors")
    policy = {k.removeprefix("policy.lm.model."): v for k, v in tensors.items() if k.startswith("policy.lm.model.")}
    value = {
        k.removeprefix("policy.value_trunk."): v for k, v in tensors.items() if k.startswith("policy.value_trunk.")
    }
    return policy, value


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped, in which ReFT moves the weights by nothing worth the name."""
    return finish(tmp_path_factory.mktemp("whole") / "run", *SMALL, "ppo.lr=1e-12")


def test_it_is_copied_from_the_policy_after_the_warm_up(whole: Path) -> None:
    at_first, none = trunks(whole / "checkpoints" / "step-1")
    assert none == {}  # no room is taken by it while the policy warms up
    warmed, none = trunks(whole / "checkpoints" / f"step-{WARMUP}")
    assert none == {}
    _, value = trunks(whole / "checkpoints" / f"step-{WARMUP + 1}")
    assert value.keys() == warmed.keys()
    for name, tensor in value.items():
        assert (tensor - warmed[name]).abs().max() < 1e-9, name
    assert any((value[name] - at_first[name]).abs().max() > 1e-3 for name in value)


def test_a_run_that_is_killed_again_and_again_ends_the_same(repo: Path, tmp_path: Path) -> None:
    words = [word for word in SMALL if "checkpoint" not in word]
    directory = tmp_path / "whole" / "run"
    finish(directory, *words)
    killed, dice = Run(repo, tmp_path / "killed", *words), random.Random()
    for step in (dice.randrange(1, WARMUP), dice.randrange(WARMUP + 1, WARMUP + 4)):
        session = killed.start()
        session.until(lambda step=step: killed.step >= step)
        session.kill()
    killed.finish()
    assert_same(directory, killed.path)


def test_it_learns_at_its_own_rate(whole: Path, tmp_path: Path) -> None:
    # A head of zeros expects the 0 that responses of this model earn, so that there is nothing to learn.
    words = (*SMALL, "ppo.lr=1e-12", "ppo.value_lr=1e-3", "ppo.value_init=random")
    finish(tmp_path / "run", *words)
    slow, slow_values = trunks(whole / "checkpoints" / "last")
    policy, values = trunks(tmp_path / "run" / "checkpoints" / "last")
    for name, tensor in policy.items():
        assert (tensor - slow[name]).abs().max() < 1e-9, name
    assert max((values[name] - slow_values[name]).abs().max() for name in values) > 1e-4


def test_a_checkpoint_of_ours_is_copied_anew(whole: Path, tmp_path: Path) -> None:
    best = whole / "checkpoints" / "best"
    words = (*SMALL, "ppo.lr=1e-12", "warmup.epochs=0", "cot.number_slots=true", f"model.path={best}")
    finish(tmp_path / "run", *words)
    _, value = trunks(tmp_path / "run" / "checkpoints" / "step-1")
    stored = load_file(best / "model.safetensors")
    for name, tensor in value.items():
        assert (tensor - stored[f"model.{name}"]).abs().max() < 1e-9, name


def test_the_disk_must_have_room_for_it() -> None:
    policy, two = Policy(make_model("llama")), CheckpointConfig(keep=2)
    trunk = 4 * sum(p.numel() for p in policy.lm.base_model.parameters())
    shared, separate = Config(checkpoint=two), Config(checkpoint=two, model=ModelConfig(value="separate"))
    # Three states (one of them being written) with two moments each, and four best policies.
    assert bytes_needed(separate, policy) - bytes_needed(shared, policy) == (3 * 3 + 4) * trunk
    separate, shared = (Config(checkpoint=two, model=c.model, method="sft") for c in (separate, shared))
    assert bytes_needed(separate, policy) == bytes_needed(shared, policy)
