"""Weights in parts on two processes: the same tokens, scores, gradients, weights and moments as whole ones in one."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from reft_lab.methods.stages.optimizer import Optimizer
from reft_lab.methods.stages.reinforcement import Reinforcement
from reft_lab.policy.model import Policy
from reft_lab.policy.scoring import score_all
from reft_lab.policy.sharding import gathered, on_leader
from reft_lab.ranks import ALONE, Ranks
from tests.methods import test_online, test_reft, test_sft
from tests.ranks.test_together import GROUPS, LAYOUTS, REINFORCED
from tests.ranks.together import together
from tests.small_models import make_model

CONFIGS = {
    **{name: REINFORCED[name] for name in ("as it is", "one rollout in a mini-batch", "scored anew")},
    "without a critic": GROUPS,
    "the critic alone": replace(REINFORCED["as it is"], critic_warmup=1, iterations=2),
}


def everything(ranks: Ranks) -> dict[str, Any]:
    """All that is looked at, by name, as one of `ranks` sees it."""
    torch.set_num_threads(1)
    tokens = LAYOUTS[ranks.size]
    found: dict[str, Any] = {"scores": scores(ranks, tokens)}
    for name, config in CONFIGS.items():
        found[name] = steps(test_reft.make_stage(config, tokens_per_micro_batch=tokens), ranks)
    found["sft"] = steps(test_sft.make_stage(tokens=tokens), ranks)
    found["online"] = steps(test_online.make_stage(tokens_per_micro_batch=tokens), ranks)
    return found


def part(stage: Any, ranks: Ranks) -> None:
    """Let ranks have parts of the weights of a stage that was made alone, and of the moments of its optimiser."""
    if ranks.size == 1:
        return
    policy = stage.policy
    is_reinforced = isinstance(stage, Reinforcement)
    for each in (policy, stage.reference) if is_reinforced else (policy,):
        each.ranks = ranks
        each.shard()
    second = policy.value_parameters() if is_reinforced else []
    parameters = [*policy.trained_parameters(), *second]
    stage.optimizer = Optimizer(policy, parameters, stage.config, stage.optimizer.schedule, second=second)


def steps(stage: Any, ranks: Ranks) -> dict[str, Any]:
    """Metrics of two steps, what was sampled in them, and weights and moments after them."""
    part(stage, ranks)
    metrics, responses = [], []
    for _ in range(2):
        if isinstance(stage, Reinforcement):
            done: Any = stage.iterate()
            responses += done.rollouts.responses
        else:
            done = stage.advance()
        metrics.append({name: x for name, x in done.metrics.items() if not name.startswith("time/")})
    weights = torch.cat([gathered(p).detach().flatten() for p in stage.policy.parameters()])
    return {
        "metrics": metrics,
        "responses": responses,
        "weights": weights,
        "moments": on_leader(stage.optimizer.tensors(), ranks),
    }


def scores(ranks: Ranks, tokens: int) -> tuple[Tensor, Tensor]:
    """Log-probabilities and values by the weights of another policy, which were loaded into one in parts."""
    policy, other = (Policy(make_model("llama", seed=seed), value_seed=seed, ranks=ranks) for seed in (0, 1))
    if ranks.size > 1:
        policy.shard()
    policy.lm.load_state_dict(other.lm.state_dict())
    policy.load_state_dict({name: x for name, x in other.state_dict().items() if "value" in name}, strict=False)
    examples = test_sft.make_examples(9)
    prompts, responses = [e.prompt for e in examples], [e.completion for e in examples]
    logprobs, values = score_all(policy, prompts, responses, pad_id=0, tokens_per_micro_batch=tokens)
    assert values is not None
    return logprobs, values


@pytest.fixture(scope="module")
def both(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two ranks has."""
    return together(repo, tmp_path_factory.mktemp("ranks"), 2, everything)


@pytest.fixture(scope="module")
def alone() -> dict[str, Any]:
    """What one process has."""
    return everything(ALONE)


@pytest.mark.parametrize("name", [*CONFIGS, "sft", "online"])
def test_steps_are_those_of_one_process(both: list[dict[str, Any]], alone: dict[str, Any], name: str) -> None:
    expected = alone[name]
    for found in (each[name] for each in both):
        assert found["responses"] == expected["responses"]
        for ours, theirs in zip(found["metrics"], expected["metrics"], strict=True):
            assert ours.keys() == theirs.keys()
            assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-5)
        # AdamW divides by the size of a gradient, so that rounding counts where there is next to none.
        weights = expected["weights"]
        assert (found["weights"] - weights).norm() < 1e-2 * 1e-3 * math.sqrt(len(weights))
    moments, others = both[0][name]["moments"], expected["moments"]
    assert moments.keys() == others.keys()
    for key, moment in moments.items():
        assert torch.allclose(moment, others[key], rtol=1e-2, atol=1e-5 * float(others[key].abs().max()) + 1e-12)
    assert both[1][name]["moments"] == {}


def test_weights_that_are_loaded_are_taken_in_parts(both: list[dict[str, Any]], alone: dict[str, Any]) -> None:
    for found in both:
        for ours, theirs in zip(found["scores"], alone["scores"], strict=True):
            assert torch.allclose(ours, theirs, atol=1e-5)
            assert theirs.abs().max() > 0.1
