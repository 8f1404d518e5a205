"""Two processes compute what one computes: tokens, scores, losses, gradients and metrics, however work is cut up."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from reft_lab.errors import RewardFailed
from reft_lab.evaluation.outcome_model import probabilities
from reft_lab.methods.stages.reinforcement import Reinforcement
from reft_lab.methods.stages.training import Training
from reft_lab.methods.stages.update import MiniBatches
from reft_lab.policy.model import Policy
from reft_lab.policy.scoring import score_all
from reft_lab.ranks import ALONE, Ranks
from tests.methods import test_online, test_reft, test_sft
from tests.ranks.together import together
from tests.small_models import make_model

CONFIG = test_reft.CONFIG
GROUPS = replace(CONFIG, credit="group", samples_per_problem=4)
REINFORCED = {
    "as it is": CONFIG,
    "clipped apart": replace(CONFIG, clip_grads="apart", loss_average="token"),
    "one rollout in a mini-batch": replace(CONFIG, mini_batch=1, epochs=1),  # a rank has nothing to do
    "the critic alone": replace(CONFIG, critic_warmup=2, iterations=2),
    "without a critic": GROUPS,
    "dynamic": replace(GROUPS, dynamic_sampling=True, dynamic_rounds=3),
    "scored anew": replace(CONFIG, importance="token", kl_in="loss", entropy_coef=0.01, whiten=False),
}
LAYOUTS = {ALONE.size: 100_000, 2: 50}  # tokens in a micro-batch
FEW = 50


def everything(ranks: Ranks) -> dict[str, Any]:
    """All that is looked at, by name, as one of `ranks` sees it."""
    torch.set_num_threads(1)
    found: dict[str, Any] = {"exchanged": exchanged(ranks)}
    tokens = LAYOUTS[ranks.size]
    for average in ("token", "group"):
        config = replace(test_sft.CONFIG, loss_average=average, loss_group=2)
        found[f"sft by {average}"] = steps(test_sft.make_stage(config, tokens=tokens), ranks)
    found["online"] = steps(test_online.make_stage(tokens_per_micro_batch=tokens), ranks)
    for name, config in REINFORCED.items():
        separate = name == "the critic alone"
        stage = test_reft.make_stage(config, tokens_per_micro_batch=tokens, separate=separate)
        found[name] = steps(stage, ranks)
    found["gradients"] = gradients(ranks, tokens)
    found["scores"] = scores(ranks, tokens)
    found["in order"] = in_order(ranks)
    return found


def in_order(ranks: Ranks) -> dict[str, Any]:
    """The same where ranks share the batches of one process."""
    if ranks.size > 1:
        ranks.keeps_order = True
    found: dict[str, Any] = {"gradients": gradients(ranks, FEW), "scores": scores(ranks, FEW)}
    for name in ("as it is", "clipped apart", "scored anew"):
        stage = test_reft.make_stage(REINFORCED[name], tokens_per_micro_batch=FEW)
        stage.asking = replace(stage.asking, decode_batch=3)
        found[name] = steps(stage, ranks)
    found["online"] = steps(test_online.make_stage(tokens_per_micro_batch=FEW), ranks)
    found["sft"] = steps(test_sft.make_stage(family="gpt2", tokens=FEW), ranks)  # which has dropout
    return found


def weights(stage: Any) -> Tensor:
    return torch.cat([p.detach().flatten() for p in stage.policy.parameters()])


def share(stage: Training, ranks: Ranks) -> None:
    """Let a stage that was made alone share its work."""
    stage.policy.ranks = stage.optimizer.ranks = ranks
    if isinstance(stage, Reinforcement):
        stage.reference.ranks = ranks


def steps(stage: Any, ranks: Ranks) -> tuple[list[dict[str, float]], list[list[int]], Tensor]:
    """Metrics of two steps, what was sampled in them, and the weights after them."""
    share(stage, ranks)
    metrics, responses = [], []
    for _ in range(2):
        if isinstance(stage, Reinforcement):
            done = stage.iterate()
            responses += done.rollouts.responses
        else:
            done = stage.advance()
        metrics.append({name: x for name, x in done.metrics.items() if not name.startswith("time/")})
        metrics[-1] |= vars(done.cost)
    return metrics, responses, weights(stage)


def gradients(ranks: Ranks, tokens: int) -> list[Tensor]:
    """The gradient of a mini-batch of five rollouts, that of a single one, and that of none of the weights."""
    stage = test_reft.make_stage(CONFIG)
    rollouts = stage.iterate().rollouts
    share(stage, ranks)
    batches, found = MiniBatches(stage.policy, rollouts, CONFIG, 0, tokens), []
    for chosen in ([7, 2, 9, 0, 4], [3]):
        for number, one in batches.losses(chosen):
            assert number is not None
            one.whole.backward()
            stage.optimizer.set_aside(number)
        stage.optimizer.add_up()
        found.append(torch.cat([p.grad.flatten() for p in stage.optimizer.parameters if p.grad is not None]))
        stage.optimizer.clear()
    stage.optimizer.add_up()
    assert all(p.grad is None for p in stage.optimizer.parameters)
    return found


def scores(ranks: Ranks, tokens: int) -> tuple[Tensor, Tensor, list[float], Tensor]:
    """Log-probabilities, values and P(right) of responses of many lengths; log-probabilities of one alone."""
    policy = Policy(make_model("llama"), value_seed=1, ranks=ranks)
    examples = test_sft.make_examples(9)
    prompts, responses = [e.prompt for e in examples], [e.completion for e in examples]
    logprobs, values = score_all(policy, prompts, responses, pad_id=0, tokens_per_micro_batch=tokens)
    one, _ = score_all(policy, prompts[:1], responses[:1], pad_id=0, tokens_per_micro_batch=tokens)
    assert values is not None
    return logprobs, values, probabilities(policy, prompts, responses, tokens), one


def exchanged(ranks: Ranks) -> Any:
    """What ranks tell each other."""
    ranks.take_waited()
    if ranks.rank == 1:
        time.sleep(0.3)
    ranks.wait()
    waited = ranks.take_waited()
    return {
        "gathered": ranks.gather(f"from {ranks.rank}"),
        "agreed": ranks.agreed(lambda: f"decided by {ranks.rank}"),
        "failed": failure(ranks),
        "merged": ranks.merge({ranks.rank: ranks.leads}),
        "total": ranks.total({0: torch.tensor([1.0, 2.0])} if ranks.leads else {}),
        "waited": ranks.gather(waited),
    }


def failure(ranks: Ranks) -> str:
    """How a rank hears of a reward that has no number."""

    def no_number() -> float:
        raise RewardFailed(f"no number, rank {ranks.rank}")

    try:
        ranks.agreed(no_number)
    except RewardFailed as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def both(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two ranks has."""
    return together(repo, tmp_path_factory.mktemp("ranks"), 2, everything)


@pytest.fixture(scope="module")
def alone() -> dict[str, Any]:
    """What one process has."""
    return everything(ALONE)


def test_ranks_tell_each_other(both: list[dict[str, Any]]) -> None:
    for found in (each["exchanged"] for each in both):
        assert found["gathered"] == ["from 0", "from 1"]
        assert found["agreed"] == "decided by 0"
        assert found["failed"] == "no number, rank 0"
        assert found["merged"] == {0: True, 1: False}
        assert found["total"] == [1.0, 2.0]
        first, second = found["waited"]
        assert first > 0.2 > second


@pytest.mark.parametrize("name", ["sft by token", "sft by group", "online", *REINFORCED])
def test_steps_are_those_of_one_process(both: list[dict[str, Any]], alone: dict[str, Any], name: str) -> None:
    expected, written, weights = alone[name]
    for found in both:
        metrics, responses, own = found[name]
        assert responses == written
        for ours, theirs in zip(metrics, expected, strict=True):
            assert ours.keys() == theirs.keys()
            assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-5)
        # AdamW divides by the size of a gradient, so that rounding counts where there is next to none.
        assert (own - weights).norm() < 1e-2 * 1e-3 * math.sqrt(len(weights))
    assert torch.equal(both[0][name][2], both[1][name][2])  # or the ranks would drift apart


def test_gradients_are_those_of_one_process(both: list[dict[str, Any]], alone: dict[str, Any]) -> None:
    for found in both:
        for ours, theirs in zip(found["gradients"], alone["gradients"], strict=True):
            assert theirs.norm() > 1e-3
            assert (ours - theirs).norm() < 1e-5 * theirs.norm()


def test_scores_are_those_of_one_process(both: list[dict[str, Any]], alone: dict[str, Any]) -> None:
    for found in both:
        for ours, theirs in zip(found["scores"], alone["scores"], strict=True):
            assert torch.allclose(torch.as_tensor(ours), torch.as_tensor(theirs), atol=1e-5)
            assert torch.as_tensor(theirs).abs().max() > 0.1


def test_in_order_every_bit_is_that_of_one_process(both: list[dict[str, Any]], alone: dict[str, Any]) -> None:
    expected = alone["in order"]
    for found in (each["in order"] for each in both):
        for name in ("gradients", "scores"):
            for ours, theirs in zip(found[name], expected[name], strict=True):
                assert torch.equal(torch.as_tensor(ours), torch.as_tensor(theirs))
        for name in ("as it is", "clipped apart", "scored anew", "online", "sft"):
            (metrics, responses, own), (others, written, weights) = found[name], expected[name]
            assert responses == written
            assert torch.equal(own, weights)
            for ours, theirs in zip(metrics, others, strict=True):
                assert ours == pytest.approx(theirs, rel=1e-12)
    apart = both[0]["gradients"][0] - alone["gradients"][0]
    assert apart.abs().max() > 0  # where sequences are shared sums are rounded otherwise
