"""The plain loop computes what reft_lab computes, so that comparing their speed means something."""

from __future__ import annotations

from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
import torch
from plain_loop import PlainLoop
from plain_programs import partial_reward, run_in_fresh_pool

from reft_lab.answers.outcome import Outcome
from reft_lab.methods import STAGES
from reft_lab.methods.settings import PPOConfig
from reft_lab.methods.stages.reinforcement import Reinforcement
from reft_lab.policy.model import Policy
from reft_lab.randomness import permutation
from reft_lab.rewards import exact
from tests.rewarding import EOS, PAD, make_asking
from tests.small_models import make_model

CONFIG = PPOConfig(
    iterations=2, rollouts=8, mini_batch=6, epochs=2, lr=1e-3, lr_warmup_steps=3, max_new_tokens=30, kl_coef=0.1
)
PROMPTS = [[7 + i] * (3 + i % 4) for i in range(8)]


def judge(questions: list[int], responses: list[list[int]]) -> list[Outcome]:
    return [Outcome("correct" if response[0] % 2 else "wrong") for response in responses]


def stage_of(config: PPOConfig) -> Reinforcement:
    policy = Policy(make_model("llama"), value_grad_to_trunk=config.value_grad_to_trunk)
    return Reinforcement(
        policy,
        policy.reference(),
        make_asking(PROMPTS, judge, exact, config),
        kind=STAGES["reft"],
        tokens_per_micro_batch=64,
    )


def plain_of(config: PPOConfig) -> PlainLoop:
    tokenizer = SimpleNamespace(eos_token_id=EOS, pad_token_id=PAD)
    return PlainLoop(make_model("llama"), tokenizer, [], asdict(config))


@pytest.mark.parametrize("to_trunk", [True, False])
def test_two_iterations_have_the_same_losses_and_leave_the_same_weights(to_trunk: bool) -> None:
    config = replace(CONFIG, value_grad_to_trunk=to_trunk)
    stage, plain = stage_of(config), plain_of(config)
    for number in range(2):  # in the second the policy is no longer its reference, so that the KL term counts
        done = stage.iterate()
        rollouts = done.rollouts
        assert len({len(response) for response in rollouts.responses}) > 1
        orders = [permutation(8, 0, "ppo order", number, epoch) for epoch in range(2)]
        losses = plain.learn(plain.collate(rollouts.prompts, rollouts.responses), rollouts.scores, orders)
        policy_loss, value_loss = torch.tensor(losses).mean(0).tolist()
        assert done.metrics["ppo/policy_loss"] == pytest.approx(policy_loss, rel=1e-4, abs=1e-5)
        assert done.metrics["ppo/value_loss"] == pytest.approx(value_loss, rel=1e-4, abs=1e-6)
    assert abs(done.metrics["ppo/kl_ref"]) > 1e-3
    theirs = [*plain.lm.parameters(), *plain.value_head.parameters()]
    for ours, other in zip(stage.policy.parameters(), theirs, strict=True):
        torch.testing.assert_close(ours, other, rtol=1e-3, atol=1e-4)


def test_its_responses_end_with_the_first_end_of_sequence() -> None:
    plain = plain_of(CONFIG)
    torch.manual_seed(0)
    responses = plain.sample(PROMPTS * 8)
    assert {EOS} == {response[-1] for response in responses if len(response) < CONFIG.max_new_tokens}
    assert all(EOS not in response[:-1] for response in responses)
    assert any(len(response) < CONFIG.max_new_tokens for response in responses)


def test_programs_in_a_fresh_pool_come_to_numbers() -> None:
    programs = [
        "def solution(x0=4):\n    return x0 / 2",
        "def solution():\n    return 1 / 0",
        "nonsense",
        "def solution():\n    return float('nan')",
    ]
    values = run_in_fresh_pool(programs, 2)
    assert values == [2.0, None, None, None]
    assert [partial_reward(value, 2.0) for value in values] == [1.0, 0.0, 0.0, 0.0]
    assert partial_reward(3.0, 2.0) == 0.1
