"""Measuring precision and number of threads: it picks what is fastest, leaves no trace, and holds for the whole run."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from reft_lab.command.launch import check_command
from reft_lab.command.resume import Resumption, continued
from reft_lab.config.running import TrainerConfig
from reft_lab.policy.model import Policy
from reft_lab.runner import arithmetic as ours
from reft_lab.runner import resume
from reft_lab.runner.arithmetic import Arithmetic, Products, arithmetic, fastest, measured_threads
from reft_lab.tracking.display import Silence
from tests.runner.leftovers import assert_same, result_of
from tests.runner.small_runs import PASSES, SMALL, WARMUP, finish
from tests.small_models import make_model


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({1: 1.0, 2: 0.6, 4: 0.4, 8: 0.3}, 8),
        ({1: 1.0, 2: 1.3, 4: 1.5}, 1),
        ({1: 1.0, 2: 0.6, 4: 0.58, 8: 0.59}, 2),  # two more cores for three per cent are better left to others
        ({1: 1.0, 2: 0.97, 4: 0.5}, 4),
        ({1: 1.0, 2: 0.6, 4: 0.7, 6: 0.9}, 2),
        ({1: 0.01}, 1),
    ],
)
def test_more_threads_are_taken_only_where_they_are_noticeably_faster(seconds, expected):
    assert fastest(seconds) == expected
    assert fastest(dict(reversed(seconds.items()))) == expected


@pytest.fixture
def all_large(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Small models are measured as larger ones are, in a moment."""
    monkeypatch.setattr(ours, "SMALL", 0)
    monkeypatch.setattr(ours, "SECONDS", 0.01)
    return monkeypatch


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("is_large", [True, False])
def test_nothing_changes(family, training, is_large, all_large):
    """Dropout is on in GPT-2's training mode: it must not draw from the global random state."""
    all_large.setattr(ours, "SMALL", 0 if is_large else 10**9)
    policy = Policy(make_model(family)).train(training)
    weights = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    modes = [module.training for module in policy.modules()]
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    chosen = arithmetic(policy, TrainerConfig(tokens_per_micro_batch=256))
    assert chosen.threads in (1, 2)
    assert policy.precision == chosen.precision
    assert chosen.precision in ("fp32", "bf16")
    assert (chosen.note is not None) == is_large
    assert torch.get_num_threads() == 2
    assert all(torch.equal(tensor, weights[name]) for name, tensor in policy.state_dict().items())
    assert [module.training for module in policy.modules()] == modes
    assert all(p.grad is None for p in policy.parameters())
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states[1:]


def test_one_thread_needs_no_measurement():
    torch.set_num_threads(1)
    policy = Policy(make_model("llama"))
    started = time.process_time()
    assert measured_threads(policy, 8192) == 1
    assert time.process_time() - started < 0.1


def test_a_small_model_is_fp32_without_a_measurement():
    policy = Policy(make_model("llama"))
    started = time.process_time()
    assert arithmetic(policy, TrainerConfig(threads=1)) == Arithmetic("fp32")
    assert time.process_time() - started < 0.1


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_asked_for_is_not_measured(precision, all_large):
    policy = Policy(make_model("llama"))
    assert arithmetic(policy, TrainerConfig(precision=precision, threads=1)) == Arithmetic(precision)
    assert arithmetic(policy, TrainerConfig(precision=precision), threads=2) == Arithmetic(precision, 2)
    assert policy.precision == precision


def test_a_model_of_any_size_is_measured_in_a_moment():
    """Its matrices are cut, and there are as many tokens as make up for small ones."""
    with torch.device("meta"):
        large = Policy(make_model("llama"), critic=False)
        large.lm.model.layers[0].mlp.up_proj = torch.nn.Linear(8192, 28672, bias=False)
    large.lm.lm_head = torch.nn.Linear(32, 61)  # where a policy is, its head is
    products = [Products.of(large), Products.of(Policy(make_model("gpt2")))]
    shapes = [{tuple(weight.shape) for weight in each.weights} for each in products]
    assert (1024, 1024) in shapes[0]
    assert shapes[1] == {(32, 96), (32, 32), (32, 128), (128, 32)}
    for each in products:
        multiplications = each.tokens * sum(weight.numel() for weight in each.weights)
        assert 0.5 * ours.ROUND["cpu"] < multiplications < 1.1 * ours.ROUND["cpu"]


IMITATED = """
import time, torch
from reft_lab.config.running import TrainerConfig
from reft_lab.policy.model import Policy
from reft_lab.runner import arithmetic as ours
from tests.small_models import make_model
ours.SMALL = 0
policy = Policy(make_model("llama"))
policy.lm.model.layers[0].mlp.up_proj = torch.nn.Linear(1024, 2048, bias=False)
started = time.process_time()
print(ours.arithmetic(policy, TrainerConfig(threads=1)).precision, time.process_time() - started)
"""


def test_a_cpu_without_instructions_for_bf16_computes_in_fp32(repo: Path):
    """The library of products takes the CPU for an old one; a second or two, and not the many of a whole round."""
    ended = subprocess.run(
        [sys.executable, "-c", IMITATED],
        cwd=repo,
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    precision, seconds = ended.stdout.split()
    assert precision == "fp32"
    assert float(seconds) < 4


def test_a_cpu_with_instructions_for_bf16_computes_in_it(all_large):
    if "avx512_bf16" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this CPU has none")
    all_large.setattr(ours, "SECONDS", 0.3)
    policy = Policy(make_model("llama"))
    policy.lm.model.layers[0].mlp.up_proj = torch.nn.Linear(1024, 2048, bias=False)
    assert arithmetic(policy, TrainerConfig(threads=1)).precision == "bf16"


def test_the_model_s_positions_are_kept_to():
    model = make_model("gpt2")
    model.config.n_positions = 40
    model.transformer.wpe = torch.nn.Embedding.from_pretrained(model.transformer.wpe.weight[:40], freeze=False)
    assert measured_threads(Policy(model), 4096) in (1, 2)


SHORT = (*SMALL, "ppo.iterations=2", "ppo.rollouts=8", "ppo.mini_batch=8")


def chosen(directory: Path) -> tuple[str, str]:
    """The precision that a run computed in, by its config and by its passport."""
    passport = json.loads((directory / "passport.json").read_text())
    config = yaml.safe_load((directory / "config.yaml").read_text())
    return config["trainer"]["precision"], passport["hardware"]["precision"]


def test_the_choice_is_made_once_and_holds_for_all_that_follows(tmp_path: Path, all_large):
    """A run that found bf16 is, bit for bit, one that was told so: with its warm-up, resumed, and evaluated."""
    all_large.setattr(ours, "FASTER", 0.0)  # any time is good enough
    warmups = f"checkpoint.warmups={tmp_path / 'warmups'}"
    found = finish(tmp_path / "found", *SHORT, warmups)
    assert chosen(found) == ("bf16", "bf16")
    assert "computing in bf16: products of the model's matrices took" in (found / "log.txt").read_text()

    all_large.setattr(ours, "FASTER", float("inf"))  # and now none is
    told = finish(tmp_path / "told", *SHORT, warmups, "trainer.precision=bf16")
    assert f"the warm-up is the one that {found} trained" in (told / "log.txt").read_text()
    assert_same(found, told)

    for directory, words in ((found, ("trainer.precision=auto",)), (told, ())):
        going_on = continued(directory, (*words, "ppo.iterations=3"))
        assert isinstance(going_on, Resumption)
        resume(going_on.config, directory, going_on.changes, display=Silence())
        assert chosen(directory) == ("bf16", "bf16")
    assert result_of(found)["cost"]["optimizer_steps"] == WARMUP + 3 * PASSES
    assert_same(found, told)

    assert check_command(["method=evaluate", f"model.path={found}"]).config.trainer.precision == "bf16"
    other = finish(tmp_path / "other", *SHORT, warmups)
    assert chosen(other) == ("fp32", "fp32")
    assert "the warm-up is the one" not in (other / "log.txt").read_text()
