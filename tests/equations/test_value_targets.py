"""Lambda of the value target, lambda by length, and the penalty of long responses, against loops over tokens."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from reft_lab.equations.credit import by_critic, length_adaptive_lambda, overlong_penalty, value_targets
from tests.equations.test_credit import batch_of


def advantages(rewards: list[float], values: list[float], gamma: float, lam: float) -> list[float]:
    """GAE of one response."""
    after = [*values[1:], 0.0]
    deltas = [r + gamma * v1 - v0 for r, v0, v1 in zip(rewards, values, after, strict=True)]
    n = len(rewards)
    return [sum((gamma * lam) ** k * deltas[t + k] for k in range(n - t)) for t in range(n)]


@pytest.mark.parametrize("lam_value", [None, 0.0, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_critic_learns_by_a_lambda_of_its_own(seed: int, lam_value: float | None) -> None:
    batch, rows = batch_of(seed)
    found = value_targets(replace(batch, lam_value=lam_value))
    for i, row in enumerate(rows):
        values = batch.values[i, : len(row)].tolist()
        by_hand = advantages(row, values, 0.9, 0.8 if lam_value is None else lam_value)
        expected = [a + v for a, v in zip(by_hand, values, strict=True)]
        assert found[i, : len(row)].tolist() == pytest.approx(expected, abs=1e-9)
        assert not found[i, len(row) :].any()
    assert torch.equal(by_critic(replace(batch, lam_value=lam_value)), by_critic(batch))


def test_with_lambda_1_the_critic_learns_the_reward_to_come_whatever_it_expects() -> None:
    batch, rows = batch_of(0)
    found = value_targets(replace(batch, lam_value=1.0))
    other = value_targets(replace(batch, lam_value=1.0, values=batch.values + 3))
    torch.testing.assert_close(found, other)
    for i, row in enumerate(rows):
        to_come = [sum(0.9**k * r for k, r in enumerate(row[t:])) for t in range(len(row))]
        assert found[i, : len(row)].tolist() == pytest.approx(to_come, abs=1e-9)


@pytest.mark.parametrize("alpha", [0.05, 0.4, 2.0])
def test_lambda_follows_the_length_of_a_response(alpha: float) -> None:
    batch, rows = batch_of(2)
    lengths = batch.mask.sum(1)
    lam = length_adaptive_lambda(lengths, alpha)
    found = by_critic(replace(batch, lam=lam))
    for i, row in enumerate(rows):
        own = max(0.0, 1 - 1 / (alpha * len(row)))
        assert lam[i].item() == pytest.approx(own, abs=1e-6)
        by_hand = advantages(row, batch.values[i, : len(row)].tolist(), 0.9, own)
        assert found[i, : len(row)].tolist() == pytest.approx(by_hand, abs=1e-6)


def test_lambda_by_length_at_the_lengths_it_was_made_for() -> None:
    lam = length_adaptive_lambda(torch.tensor([1, 19, 20, 21, 400, 8000]), 0.05)
    assert lam[:3].tolist() == [0, 0, 0]
    assert 0 < lam[3] < 0.05
    assert lam[4:].tolist() == pytest.approx([0.95, 0.9975])
    # The weights of the TD errors of a long response sum to alpha times its length.
    assert 1 / (1 - lam[5].double().item()) == pytest.approx(0.05 * 8000, rel=1e-3)


def test_long_responses_lose_reward_from_the_cache_on() -> None:
    lengths = torch.arange(1, 101)
    found = overlong_penalty(lengths, torch.full((100,), 100), 0.2)
    expected = [0.0 if n <= 80 else -(n - 80) / 20 for n in range(1, 101)]
    assert found.tolist() == pytest.approx(expected, abs=1e-6)
    assert (found[79], found[99]) == (0, -1)


def test_every_response_has_a_cap_of_its_own() -> None:
    lengths, caps = torch.tensor([10, 10, 10, 3]), torch.tensor([10, 20, 12, 3])
    assert overlong_penalty(lengths, caps, 0.5).tolist() == pytest.approx([-1, 0, -4 / 6, -1])
    assert overlong_penalty(lengths, caps, 1.0).tolist() == pytest.approx([-1, -0.5, -10 / 12, -1])
