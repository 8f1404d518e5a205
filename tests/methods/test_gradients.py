"""The gradient of a mini-batch does not depend on how it is cut up and put in order, for any average and switch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from reft_lab.methods.settings import PPOConfig
from reft_lab.methods.stages.rollouts import Rollouts
from reft_lab.methods.stages.update import MiniBatches
from reft_lab.policy.model import Policy
from reft_lab.ranks import Ranks
from tests.methods.test_reft import CONFIG, make_stage

MINI_BATCH = [7, 2, 9, 0, 4, 11, 5]
SWITCHES = (
    {},
    {"clip_high": 0.4, "dual_clip": 1.5},
    {"kl_in": "loss", "kl_estimator": "k1"},
    {"kl_in": "loss", "kl_estimator": "k2"},
    {"kl_in": "loss", "kl_estimator": "k3"},
    {"entropy_coef": 0.1},
    {"importance": "token"},
    {"value_clip": None},
    {"value_grad_to_trunk": False},
)


@pytest.fixture(scope="module")
def updated() -> tuple[Policy, Rollouts]:
    """A policy two updates away from its rollouts, so that ratios are off 1 and some are clipped."""
    stage = make_stage(replace(CONFIG, lr=3e-3))
    stage.iterate()
    rollouts = stage.iterate().rollouts
    weights = torch.rand(rollouts.mask.shape, generator=torch.Generator().manual_seed(0)) + 0.5
    return stage.policy, replace(rollouts, importance=weights)


class OneOfSeveral(Ranks):
    """A process that has a certain share."""

    def __init__(self, places: list[int]):
        self.places = places

    def share(self, costs: Sequence[float]) -> list[int]:
        return self.places


def gradients(
    policy: Policy,
    rollouts: Rollouts,
    config: PPOConfig,
    chosen: Sequence[int],
    *,
    tokens: int = 100_000,
    shares: Sequence[Sequence[int]] | None = None,
) -> torch.Tensor:
    """Those of policy and value loss over a mini-batch (2, weights), added up over micro-batches and shares of it.

    A share is what a process of several would compute.
    """
    if config.importance != "token":
        rollouts = replace(rollouts, importance=None)
    policy.value_grad_to_trunk = config.value_grad_to_trunk
    batches = MiniBatches(policy, rollouts, config, 0, tokens)
    parameters = list(policy.parameters())
    total = torch.zeros(2, sum(p.numel() for p in parameters), dtype=torch.float64)
    for share in shares or [chosen]:
        policy.ranks = OneOfSeveral([list(chosen).index(number) for number in share])
        for _, one in batches.losses(chosen):
            for row, loss in zip(total, (one.policy, one.value), strict=True):
                found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
                flat = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]
                row += torch.cat([g.flatten() for g in flat])
    return total


def assert_equal(found: torch.Tensor, expected: torch.Tensor) -> None:
    for row, other in zip(found, expected, strict=True):
        assert other.norm() > 1e-3
        assert (row - other).norm() < 1e-6 * other.norm()


@pytest.mark.parametrize("average", ["sequence", "token", "constant"])
@pytest.mark.parametrize("switches", SWITCHES, ids=lambda switches: ",".join(map(str, switches.values())) or "none")
def test_cutting_and_ordering_change_no_gradient(updated, average, switches):
    policy, rollouts = updated
    config = replace(CONFIG, loss_average=average, **switches)
    whole = gradients(policy, rollouts, config, MINI_BATCH)
    for tokens in (1, 40, 64):
        assert_equal(gradients(policy, rollouts, config, MINI_BATCH, tokens=tokens), whole)
    for order in (MINI_BATCH[::-1], sorted(MINI_BATCH)):
        assert_equal(gradients(policy, rollouts, config, order, tokens=40), whole)
    shares = [MINI_BATCH[:1], MINI_BATCH[1:5], MINI_BATCH[5:]]
    assert_equal(gradients(policy, rollouts, config, MINI_BATCH, shares=shares), whole)


def test_every_switch_changes_the_gradient(updated):
    policy, rollouts = updated
    plain = gradients(policy, rollouts, CONFIG, MINI_BATCH)
    for switches in (*SWITCHES[1:], {"loss_average": "token"}, {"loss_average": "constant"}):
        found = gradients(policy, rollouts, replace(CONFIG, **switches), MINI_BATCH)
        assert (found - plain).norm() > 1e-3 * plain.norm(), switches
