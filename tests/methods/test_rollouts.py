"""What a batch of rollouts says about itself, and what it refuses."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from reft_lab.answers.outcome import Outcome
from reft_lab.errors import RewardFailed
from reft_lab.methods.settings import PPOConfig
from reft_lab.methods.stages.asking import Batch
from reft_lab.methods.stages.rollouts import assemble, rollout_metrics, sampled_metrics
from reft_lab.policy.sampling import Responses
from tests.methods import test_reft
from tests.rewarding import by_outcome

OUTCOMES = [Outcome("correct", "7"), Outcome("wrong", "7"), Outcome("wrong", "3"), Outcome("no_answer")]
SCORES = [1.0, 0.1, 0.1, 0.0]
PROMPTS = [[1, 2]] * 4


def sampled() -> Responses:
    """Four responses of 1, 2, 3 and 3 tokens."""
    mask = torch.arange(3) < torch.tensor([1, 2, 3, 3])[:, None]
    return Responses(
        tokens=torch.ones(4, 3, dtype=torch.long),
        mask=mask,
        logprobs=-0.5 * mask,
        entropies=torch.tensor([[0.4], [0.1], [0.2], [0.3]]) * mask,
        values=0.1 * mask,
        finished=torch.tensor([True, True, True, False]),
    )


def judged(responses: Responses, outcomes: list[Outcome] = OUTCOMES, scores: list[float] = SCORES) -> Batch:
    return Batch([0, 1, 2, 3], PROMPTS, responses, outcomes, scores, torch.zeros(4))


def test_metrics_of_a_batch():
    batch = sampled()
    metrics = sampled_metrics(judged(batch), PPOConfig())
    metrics |= rollout_metrics(assemble(judged(batch), -0.75 * batch.mask, PPOConfig()), PPOConfig())
    assert metrics["rollout/top_answer_share"] == 2 / 4
    assert metrics["rollout/unique_answers"] == 2 / 4
    assert metrics["rollout/truncated_share"] == 1 / 4
    assert metrics["ppo/entropy_response"] == pytest.approx((1 * 0.4 + 2 * 0.1 + 3 * 0.2 + 3 * 0.3) / 4)
    assert metrics["ppo/entropy"] * metrics["rollout/length"] == pytest.approx(metrics["ppo/entropy_response"])
    assert metrics["ppo/kl_ref"] == pytest.approx(0.25 * 9 / 4)


def test_without_any_answer_none_is_the_most_frequent():
    batch = sampled()
    outcomes = [Outcome("no_answer")] * 4
    metrics = sampled_metrics(judged(batch, outcomes, [0.0] * 4), PPOConfig())
    assert metrics["rollout/top_answer_share"] == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused_by_name(bad):
    good = sampled()
    broken = good.logprobs.clone()
    broken[2, 1] = bad
    with pytest.raises(FloatingPointError, match=r"^the log-probabilities of sampled"):
        assemble(judged(replace(good, logprobs=broken)), good.logprobs, PPOConfig())
    with pytest.raises(FloatingPointError, match=r"^the values of sampled"):
        assemble(judged(replace(good, values=broken)), good.logprobs, PPOConfig())
    with pytest.raises(FloatingPointError, match=r"^the log-probabilities of the reference of"):
        assemble(judged(good), broken, PPOConfig())


@pytest.mark.parametrize("where", ["reward", "reference", "value head"])
def test_weights_stay_as_they_were_where_something_is_not_finite(where):
    stage = test_reft.make_stage()
    stage.advance()
    if where == "reward":
        stage.asking.reward = by_outcome(_refuse)
    elif where == "reference":
        next(stage.reference.parameters()).data.fill_(math.nan)
    else:
        stage.policy.value_head.weight.data[0, 0] = math.inf
    before = test_reft.weights(stage)
    counters = stage.counters()
    with pytest.raises((FloatingPointError, RewardFailed)):
        stage.advance()
    assert torch.equal(test_reft.weights(stage), before)
    assert stage.counters() == counters


def _refuse(outcome: Outcome) -> float:
    raise RewardFailed(outcome.kind)
