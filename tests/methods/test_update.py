"""The update's switches: rates and clipping by loss, gradient norms, critic warm-up, KL and entropy in the loss."""

from __future__ import annotations

import json
import math
from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from reft_lab.equations.credit import kl_estimate, rewards
from reft_lab.methods.settings import PPOConfig
from reft_lab.methods.stages.reinforcement import Reinforcement
from reft_lab.methods.stages.rollouts import Rollouts, correct_sampler
from reft_lab.methods.stages.update import update
from reft_lab.policy.model import checkpoint_layers
from tests.methods.test_gradients import gradients
from tests.methods.test_reft import CONFIG, make_stage, weights

# How the value loss meets the policy's weights: in the shared trunk, nowhere, nowhere.
MODELS = {"shared": {}, "detached": {"value_grad_to_trunk": False}, "separate": {"separate": True}}


def stage_of(model: str, config: PPOConfig = CONFIG, **changes) -> Reinforcement:
    options = dict(MODELS[model])
    separate = options.pop("separate", False)
    return make_stage(replace(config, **options), separate=separate, **changes)


def one_step(stage: Reinforcement, rollouts: Rollouts, config: PPOConfig, **options) -> dict[str, float]:
    """A single optimiser step over all rollouts."""
    budget = {"pad_id": 0, "tokens_per_micro_batch": 64}
    return update(stage.policy, rollouts, stage.optimizer, config, order=[list(range(12))], **budget, **options)


def moved(stage: Reinforcement) -> Rollouts:
    """Rollouts from which a stage has moved away, with an optimiser that has not begun."""
    rollouts = stage.iterate().rollouts
    stage.optimizer.adamws[0].state.clear()
    return rollouts


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("recomputed", [False, True])
def test_clipped_apart_each_loss_keeps_its_own_norm(model, recomputed):
    stage = stage_of(model, replace(CONFIG, clip_grads="apart", mini_batch=12, max_grad_norm=0.3))
    rollouts, config = moved(stage), stage.config
    plain = deepcopy(stage.policy)
    if recomputed:
        checkpoint_layers(stage.policy.lm)
    found = gradients(plain, rollouts, config, range(12))
    norms = found.norm(dim=1)
    assert (norms > 0.3).all()
    clipped = sum(0.3 / (norm + 1e-6) * row for norm, row in zip(norms, found, strict=True))

    optimizer = torch.optim.AdamW(plain.parameters(), lr=config.lr, weight_decay=0.0)
    start = 0
    for parameter in plain.parameters():
        parameter.grad = clipped[start : start + parameter.numel()].view_as(parameter).float()
        start += parameter.numel()
    optimizer.step()
    metrics = one_step(stage, rollouts, config)
    apart = weights(stage) - torch.cat([p.detach().flatten() for p in plain.parameters()])
    assert apart.norm() < 1e-3 * config.lr * math.sqrt(len(apart))
    assert metrics["ppo/grad_norm"] == pytest.approx(found.sum(0).norm().item(), rel=1e-4)
    assert metrics["ppo/policy_grad_norm"] == pytest.approx(norms[0].item(), rel=1e-4)
    assert metrics["ppo/value_grad_norm"] == pytest.approx(norms[1].item(), rel=1e-4)


@pytest.mark.parametrize("model", MODELS)
def test_norms_of_both_losses_are_exact_and_change_nothing(model):
    stage, other = stage_of(model), stage_of(model)
    rollouts, config = moved(stage), replace(stage.config, mini_batch=12)
    moved(other)
    norms = gradients(deepcopy(stage.policy), rollouts, config, range(12)).norm(dim=1).tolist()
    metrics = one_step(stage, rollouts, config, closely=True)
    assert metrics["ppo/policy_grad_norm"] == pytest.approx(norms[0], rel=1e-4)
    assert metrics["ppo/value_grad_norm"] == pytest.approx(norms[1], rel=1e-4)
    plain = one_step(other, rollouts, config)
    assert torch.equal(weights(stage), weights(other))
    if model == "shared":  # they take passes of their own there
        del metrics["ppo/policy_grad_norm"], metrics["ppo/value_grad_norm"]
    assert plain == metrics


@pytest.mark.parametrize("model", MODELS)
def test_the_value_model_has_its_own_rate_and_an_alarm_lowers_both(model):
    """AdamW's first step is the rate itself, whatever the gradient."""
    stage = stage_of(model, replace(CONFIG, value_lr=2e-2, lr_warmup_steps=4, mini_batch=12, max_grad_norm=1e6))
    rollouts = moved(stage)
    stage.optimizer.scale = 0.5
    for group in stage.optimizer.groups:
        group.steps = 0
    before = deepcopy(stage.policy)
    metrics = one_step(stage, rollouts, stage.config)
    own = {id(parameter) for parameter in stage.policy.value_parameters()}
    for new, old in zip(stage.policy.parameters(), before.parameters(), strict=True):
        rate = (2e-2 if id(new) in own else 1e-3) / 4 * 0.5
        assert (new - old).abs().max().item() == pytest.approx(rate, rel=1e-2)
    assert (metrics["ppo/lr"], metrics["ppo/value_lr"]) == pytest.approx((1e-3 / 8, 2e-2 / 8))


WARMED = replace(CONFIG, critic_warmup=2, iterations=2, lr_warmup_steps=6, value_lr=1e-2, lam=0.3, lam_value=0.5)


@pytest.mark.parametrize("model", MODELS)
def test_the_critic_warms_up_on_returns_while_the_policy_stays(model):
    stage = stage_of(model, WARMED)
    assert stage.total_steps == 4
    policy = [p.detach().clone() for p in stage.policy.lm.parameters()]
    value = [p.detach().clone() for p in stage.policy.value_parameters()]
    for _ in range(2):
        done = stage.iterate()
        assert all(torch.equal(a, b) for a, b in zip(stage.policy.lm.parameters(), policy, strict=True))
        assert any(not torch.equal(a, b) for a, b in zip(stage.policy.value_parameters(), value, strict=True))
        of = done.rollouts
        total = rewards(of.scores, of.kl, of.mask, CONFIG.kl_coef)
        for row, reward, length in zip(of.returns, total, of.mask.sum(1).tolist(), strict=True):
            assert row[:length].tolist() == pytest.approx(
                [sum(reward[t:length].tolist()) for t in range(length)], abs=1e-5
            )
        recorded = {name for name in done.metrics if name.startswith("ppo/")}
        assert {"ppo/explained_variance", "ppo/value_loss", "ppo/value_lr", "ppo/value_grad_norm"} <= recorded
        assert not {"ppo/lr", "ppo/policy_loss", "ppo/kl_old", "ppo/first_ratio_error"} & recorded
    assert "from now on the policy is trained" in done.notes[-1]
    first = stage.iterate()
    assert first.metrics["ppo/lr"] == pytest.approx(4 / 6 * CONFIG.lr)  # its own warm-up begins with its first step
    assert not any("critic warm-up" in note for note in first.notes)
    assert any(not torch.equal(a, b) for a, b in zip(stage.policy.lm.parameters(), policy, strict=True))


def test_a_warmed_critic_explains_more():
    config = replace(CONFIG, critic_warmup=12, rollouts=64, mini_batch=16, value_lr=3e-3, value_clip=None, kl_coef=0.0)
    stage = make_stage(config, separate=True)
    explained = [stage.iterate().metrics["ppo/explained_variance"] for _ in range(12)]
    assert explained[0] == pytest.approx(0, abs=1e-6)  # a head that begins as zero
    assert sum(explained[-3:]) / 3 > 0.1


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_stage_goes_on_bit_for_bit_from_within_the_critic_warm_up_and_after_it(stop):
    whole, first = make_stage(WARMED), make_stage(WARMED)
    while not whole.done:
        whole.advance()
    for _ in range(stop):
        first.advance()
    second = make_stage(WARMED)
    second.policy.load_state_dict(first.policy.state_dict())
    second.optimizer.restore({name: tensor.clone() for name, tensor in first.optimizer.tensors().items()})
    second.restore(json.loads(json.dumps(first.counters())))
    while not second.done:
        second.advance()
    assert torch.equal(weights(second), weights(whole))


def test_with_the_kl_in_the_loss_the_reward_has_none():
    config = replace(
        CONFIG, kl_in="loss", kl_estimator="k2", kl_coef=0.5, lam=1.0, whiten=False, mini_batch=12, epochs=1
    )
    stage = make_stage(config)
    stage.iterate()  # from the second on the policy is no longer its reference
    done = stage.iterate()
    of = done.rollouts
    assert of.kl.abs().max() > 0
    for row, score, length in zip(of.returns, of.scores.tolist(), of.mask.sum(1).tolist(), strict=True):
        assert row[:length].tolist() == pytest.approx([score] * length, abs=1e-5)
    expected = 0.0  # before the only step
    for i, length in enumerate(of.mask.sum(1).tolist()):
        expected += kl_estimate(of.logprobs[i, :length], of.ref_logprobs[i, :length], "k2").mean().item() / 12
    assert done.metrics["ppo/kl_loss"] == pytest.approx(expected, rel=1e-3)


def test_a_kl_in_the_loss_holds_the_policy_back():
    def drift(kl_coef: float) -> float:
        config = replace(CONFIG, iterations=10, rollouts=32, mini_batch=32, kl_in="loss", kl_estimator="k2")
        stage = make_stage(replace(config, kl_coef=kl_coef))
        while not stage.done:
            last = stage.advance()
        return last.metrics["ppo/kl_ref"]

    assert drift(1.0) < 0.5 * drift(0.0)


def test_the_entropy_bonus_keeps_the_policy_undecided():
    def entropy(coef: float) -> float:
        stage = make_stage(replace(CONFIG, iterations=6, rollouts=32, mini_batch=32, kl_coef=0.0, entropy_coef=coef))
        while not stage.done:
            last = stage.advance()
        assert ("ppo/entropy_bonus" in last.metrics) == (coef > 0)
        return last.metrics["ppo/entropy"]

    assert entropy(1.0) > entropy(0.0) + 0.2


def test_shares_of_clipped_tokens_by_side_add_up():
    config = replace(CONFIG, lr=1e-2, clip=0.1, clip_high=0.3, dual_clip=1.2)
    metrics = make_stage(config).iterate().metrics
    assert metrics["ppo/clip_share_low"] > 0
    assert metrics["ppo/clip_share_high"] > 0
    both = metrics["ppo/clip_share_low"] + metrics["ppo/clip_share_high"]
    assert metrics["ppo/clip_share"] == pytest.approx(both)
    assert 0 < metrics["ppo/dual_clip_share"] < 1


def test_importance_weights_correct_the_sampler_up_to_a_cap():
    rollouts = make_stage().iterate().rollouts
    off = torch.randn(rollouts.mask.shape, generator=torch.Generator().manual_seed(0))
    corrected, metrics = correct_sampler(rollouts, rollouts.logprobs - off, 2.0)
    lengths = rollouts.mask.sum(1).tolist()
    expected = [min(math.exp(x), 2.0) for row, n in zip(off.tolist(), lengths, strict=True) for x in row[:n]]
    assert corrected.importance[rollouts.mask].tolist() == pytest.approx(expected)
    assert metrics["ppo/importance_mean"] == pytest.approx(sum(expected) / len(expected))
    assert metrics["ppo/importance_capped"] == pytest.approx(expected.count(2.0) / len(expected))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_sampler_in_bf16_gets_weights_off_1(precision):
    stage = make_stage(replace(CONFIG, importance="token"))
    stage.policy.precision = stage.reference.precision = precision
    done = stage.iterate()
    off = (done.rollouts.importance[done.rollouts.mask] - 1).abs().max().item()
    assert (off < 1e-4) == (precision == "fp32")
    assert done.metrics["ppo/importance_mean"] == pytest.approx(1, abs=0.05)
    assert done.metrics["ppo/importance_capped"] == 0
    assert done.metrics["ppo/first_ratio_error"] < 1e-4 or precision == "bf16"
