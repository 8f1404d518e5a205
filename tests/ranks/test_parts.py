"""Weights in parts on two processes: the same tokens, scores, gradients, weights and moments as whole ones in one."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from reft_lab.methods import STAGES
from reft_lab.methods.stages import eight_bit
from reft_lab.methods.stages.reinforcement import Reinforcement
from reft_lab.policy.model import Policy, checkpoint_layers
from reft_lab.policy.scoring import score_all
from reft_lab.policy.sharding import gathered, on_leader
from reft_lab.ranks import ALONE, Ranks
from reft_lab.rewards import exact
from tests.methods import test_eight_bit, test_online, test_reft, test_reranker, test_sft
from tests.policy.test_adapters import adapted
from tests.ranks.in_parts import part
from tests.ranks.test_together import GROUPS, LAYOUTS, REINFORCED
from tests.ranks.together import together
from tests.rewarding import make_asking
from tests.small_models import make_model

CONFIGS = {
    **{name: REINFORCED[name] for name in ("as it is", "one rollout in a mini-batch", "scored anew", "clipped apart")},
    "without a critic": GROUPS,
    "the critic alone": replace(REINFORCED["as it is"], critic_warmup=1, iterations=2),
}
ADAPTED = ("an adapter", "an adapter, separate")


def everything(ranks: Ranks) -> dict[str, Any]:
    """All that is looked at, by name, as one of `ranks` sees it."""
    torch.set_num_threads(1)
    tokens = LAYOUTS[ranks.size]
    found: dict[str, Any] = {"scores": scores(ranks, tokens)}
    for name, config in CONFIGS.items():
        found[name] = steps(test_reft.make_stage(config, tokens_per_micro_batch=tokens), ranks)
    apart = replace(REINFORCED["clipped apart"], critic_warmup=1, iterations=2)
    found["separate"] = steps(test_reft.make_stage(apart, tokens_per_micro_batch=tokens), ranks, separate=True)
    for name in ADAPTED:
        stage = with_adapter(tokens)
        found[name] = steps(stage, ranks, separate="separate" in name)
    found["places"] = places(stage) if ranks.size > 1 else None
    with stage.policy.gathered() as one, stage.policy.collected() as other:
        copies = [each for each in (one, other) if each is not None]
        found["copied"] = [sum(p.numel() for p in each.lm.parameters()) for each in copies]
    found["left"] = [sum(p.numel() for p in each.lm.parameters()) for each in copies]
    found["sft"] = steps(test_sft.make_stage(tokens=tokens), ranks)
    found["online"] = steps(test_online.make_stage(tokens_per_micro_batch=tokens), ranks)
    if eight_bit.find_spec("bitsandbytes") is not None:
        found["8-bit"] = steps(test_eight_bit.make_stage(eight_bit.NAME), ranks, kind=eight_bit.NAME)
    found["reranker"] = steps(test_reranker.make_stage(tokens=tokens), ranks)
    return found


def with_adapter(tokens: int) -> Reinforcement:
    """Reinforcement of an adapter, clipped apart, with layers that are computed again."""
    lm, config = adapted("llama"), replace(REINFORCED["clipped apart"], kl_coef=0.2)
    checkpoint_layers(lm)
    policy = Policy(lm, value_seed=1)
    prompts = [example.prompt for example in test_sft.make_examples(8)]
    asking = make_asking(prompts, test_reft.judge, exact, config)
    kind = STAGES["reft"]
    return Reinforcement(policy, policy.reference(), asking, kind=kind, tokens_per_micro_batch=tokens)


def places(stage: Reinforcement) -> list[dict[str, int]]:
    """Where this rank has its parts of the frozen matrices of policy, value model and reference, by their names."""
    assert stage.policy.value_trunk is not None
    trunks = (stage.policy.lm.base_model, stage.policy.value_trunk, stage.reference.lm.base_model)
    frozen = [
        {name: weight for name, weight in trunk.named_parameters() if "layers." in name and "lora_" not in name}
        for trunk in trunks
    ]
    return [{name: cast(Any, weight).to_local().data_ptr() for name, weight in each.items()} for each in frozen]


def steps(stage: Any, ranks: Ranks, **how: Any) -> dict[str, Any]:
    """Metrics of two steps, what was sampled in them, and weights and moments after them."""
    part(stage, ranks, **how)
    metrics, responses = [], []
    for _ in range(2):
        if isinstance(stage, Reinforcement):
            done: Any = stage.iterate()
            responses += done.rollouts.responses
        else:
            done = stage.advance()
        metrics.append({name: x for name, x in done.metrics.items() if not name.startswith("time/")})
        metrics[-1] |= vars(done.cost)
    parameters = stage.policy.named_parameters(remove_duplicate=False)  # in one process an adapter's base is shared
    weights = torch.cat([gathered(weight).detach().flatten() for _, weight in parameters])
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


@pytest.mark.parametrize("name", [*CONFIGS, *ADAPTED, "separate", "sft", "online", "reranker"])
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


def test_moments_of_8_bits_are_those_of_one_process(both: list[dict[str, Any]], alone: dict[str, Any]) -> None:
    pytest.importorskip("bitsandbytes", reason="it comes with the extra `bitsandbytes`")
    expected = alone["8-bit"]
    for found in (each["8-bit"] for each in both):
        for ours, theirs in zip(found["metrics"], expected["metrics"], strict=True):
            assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-5)
        # A moment next to the middle of two codes may get either.
        assert (found["weights"] - expected["weights"]).abs().mean() < 1e-6
    moments, others = both[0]["8-bit"]["moments"], expected["moments"]
    assert moments.keys() == others.keys()
    codes = [name for name, tensor in others.items() if tensor.dtype == torch.uint8]
    assert len(codes) > 10
    for name in codes:
        assert moments[name].shape == others[name].shape
        assert (moments[name] != others[name]).float().mean() < 0.01
    for name in (name for name in others if "absmax" in name):
        assert torch.allclose(moments[name], others[name], rtol=1e-3)


def test_with_an_adapter_each_rank_has_its_parts_of_the_base_once(both: list[dict[str, Any]]) -> None:
    for policy, values, reference in (each["places"] for each in both):
        assert policy == values == reference
        assert len(set(policy.values())) == len(policy) > 10


def test_a_copy_with_all_weights_has_none_when_it_is_over(both: list[dict[str, Any]], alone: dict[str, Any]) -> None:
    """At once, not when Python collects its garbage."""
    assert all(count > 10_000 for each in (*both, alone) for count in each["copied"])
    assert [len(each["copied"]) for each in both] == [2, 1]
    assert [each["left"] for each in both] == [[0, 0], [0]]
    assert alone["left"] == alone["copied"]


def test_weights_that_are_loaded_are_taken_in_parts(both: list[dict[str, Any]], alone: dict[str, Any]) -> None:
    for found in both:
        for ours, theirs in zip(found["scores"], alone["scores"], strict=True):
            assert torch.allclose(ours, theirs, atol=1e-5)
            assert theirs.abs().max() > 0.1
