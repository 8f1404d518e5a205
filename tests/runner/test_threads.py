"""Measuring the number of threads: it picks what is fastest and leaves no trace."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from reft_lab.policy.model import Policy
from reft_lab.runner.threads import fastest, measured_threads
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


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("training", [True, False])
def test_nothing_changes(family, training):
    """Dropout is on in GPT-2's training mode: it must not draw from the global random state."""
    policy = Policy(make_model(family)).train(training)
    weights = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    modes = [module.training for module in policy.modules()]
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    chosen = measured_threads(policy, 256)
    assert chosen in (1, 2)
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


def test_a_model_too_large_to_try_gets_all_threads():
    with torch.device("meta"):  # a pass with such weights would fail
        policy = Policy(make_model("llama", vocabulary=1_000_000))
    assert measured_threads(policy, 8192) == 2


def test_the_model_s_positions_are_kept_to():
    model = make_model("gpt2")
    model.config.n_positions = 40
    model.transformer.wpe = torch.nn.Embedding.from_pretrained(model.transformer.wpe.weight[:40], freeze=False)
    assert measured_threads(Policy(model), 4096) in (1, 2)
