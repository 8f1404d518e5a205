"""What states and their Monte-Carlo values say of a critic, against plain formulas and critics of known quality."""

from __future__ import annotations

import statistics
from dataclasses import replace

import numpy as np
import pytest

from reft_lab.evaluation.critic import States, agreement, verdict

CONTINUATIONS = 8


def states(seed: int = 0, responses: int = 60, along: int = 10) -> tuple[States, np.ndarray]:
    """States whose true values move along each response, with a critic that knows them; and the true values."""
    draw = np.random.default_rng(seed)
    true = draw.uniform(0.1, 0.9, (responses, 1)) + 0.1 * draw.normal(size=(responses, along)).cumsum(1)
    true = true.clip(0.02, 0.98).ravel()
    returns = (draw.random((len(true), CONTINUATIONS)) < true[:, None]).astype(float)
    place = np.tile((np.arange(along) + 0.5) / along, responses)
    return States.of(np.repeat(np.arange(responses), along), place, true, returns), true


def of_returns(found: States, returns: np.ndarray) -> States:
    return States.of(found.response, found.place, found.values, returns)


def test_agreement_is_that_of_plain_formulas() -> None:
    found, true = states(responses=3, along=4)
    found = replace(found, values=true[::-1].copy() + 0.25)
    mean = [statistics.fmean(row) for row in found.returns.tolist()]
    off = [v - m for v, m in zip(found.values.tolist(), mean, strict=True)]
    told = agreement(found)
    assert told.states == 12
    assert told.bias == pytest.approx(statistics.fmean(off))
    assert told.explained_variance == pytest.approx(1 - statistics.pvariance(off) / statistics.pvariance(mean))
    noise = statistics.fmean(statistics.variance(row) / CONTINUATIONS for row in found.returns.tolist())
    assert told.attainable == pytest.approx(1 - noise / statistics.pvariance(mean))

    def ranks(x: list[float]) -> list[float]:
        return [statistics.fmean(i for i, y in enumerate(sorted(x)) if y == one) for one in x]

    assert told.rank_correlation == pytest.approx(statistics.correlation(ranks(found.values.tolist()), ranks(mean)))


def test_a_critic_that_knows_every_value_comes_to_what_is_attainable() -> None:
    found, _ = states()
    told = verdict(found, seed=0)
    assert told["overall"]["explained_variance"] == pytest.approx(told["overall"]["attainable"], abs=0.02)
    assert 0.5 < told["overall"]["attainable"] < 0.95
    assert told["within_response"]["explained_variance"] == pytest.approx(
        told["within_response"]["attainable"], abs=0.1
    )
    assert abs(told["overall"]["bias"]) < 0.02
    low, high = told["interval"]
    assert low < told["overall"]["explained_variance"] < high
    assert list(told["by_tenth"]) == [f"{n:02d}" for n in range(1, 11)]
    assert all(of_tenth["states"] == 60 for of_tenth in told["by_tenth"].values())
    assert told["sentence"].startswith("Is the critic any good? Yes: ")


def test_a_critic_that_knows_how_hard_a_question_is_and_no_more_explains_nothing_along_a_response() -> None:
    found, true = states()
    of_question = true.reshape(60, 10).mean(1).repeat(10)
    told = verdict(replace(found, values=of_question), seed=0)
    assert told["overall"]["explained_variance"] > 0.3
    assert told["within_response"]["explained_variance"] == pytest.approx(0, abs=1e-9)
    assert told["within_response"]["attainable"] > 0.2


@pytest.mark.parametrize("seed", range(3))
def test_of_a_critic_that_knows_nothing_it_is_said(seed: int) -> None:
    found, _ = states(seed)
    blind = replace(found, values=np.random.default_rng(seed).normal(0.5, 0.1, len(found)))
    constant = verdict(replace(found, values=np.full(len(found), 0.5)), seed)
    assert constant["overall"]["explained_variance"] == pytest.approx(0)
    assert constant["overall"]["rank_correlation"] is None
    for told in (verdict(blind, seed), constant):
        assert "There is no sign of it" in told["sentence"]


def test_where_states_do_not_differ_nothing_can_be_told() -> None:
    found, _ = states()
    draw = np.random.default_rng(1)
    alike = of_returns(found, (draw.random(found.returns.shape) < 0.5).astype(float))
    assert "cannot be told" in verdict(alike, 0)["sentence"]
    same = verdict(of_returns(found, np.zeros_like(found.returns)), 0)
    assert "cannot be told" in same["sentence"]
    assert (same["interval"], same["overall"]["explained_variance"]) == (None, None)
