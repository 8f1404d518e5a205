"""Dynamic sampling: which questions are kept, what was thrown away, and that the walk over them goes on bit for bit."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from reft_lab.answers.outcome import Outcome
from reft_lab.methods.settings import PPOConfig
from reft_lab.methods.stages.reinforcement import Reinforcement
from reft_lab.randomness import permutation
from tests.methods import test_reft

GROUP = 3
# Of the questions of this policy some are all right, some all wrong, some mixed.
CONFIG = replace(
    test_reft.CONFIG,
    credit="group_centred",
    samples_per_problem=GROUP,
    dynamic_sampling=True,
    dynamic_rounds=50,
    rollouts=12,
    mini_batch=12,
    iterations=4,
    kl_coef=0.0,
    whiten=False,
)


def make(config: PPOConfig = CONFIG, **changes) -> Reinforcement:
    return test_reft.make_stage(config, **changes)


def groups(scores: list[float]) -> list[list[float]]:
    return [scores[i : i + GROUP] for i in range(0, len(scores), GROUP)]


def test_the_questions_kept_are_those_of_the_walk_that_teach_something() -> None:
    """Against plain sampling of the same questions, one batch after the other, with the same draws."""
    stage = make()
    done = stage.iterate()
    scores = done.rollouts.scores.tolist()
    assert len(scores) == 12
    assert all(len(set(group)) > 1 for group in groups(scores))

    plain = make(replace(CONFIG, dynamic_sampling=False, rollouts=GROUP * done.cost.questions, mini_batch=12))
    everything = plain.iterate()
    mixed = [n for n, group in enumerate(groups(everything.rollouts.scores.tolist())) if len(set(group)) > 1]
    assert len(mixed) == 4
    assert done.questions[::GROUP] == [everything.questions[n * GROUP] for n in mixed]
    kept = [row for n in mixed for row in range(n * GROUP, (n + 1) * GROUP)]
    assert done.rollouts.responses == [everything.rollouts.responses[row] for row in kept]

    assert done.cost.questions > 4
    assert done.metrics["rollout/thrown_away"] == pytest.approx(1 - 4 / done.cost.questions)
    assert done.metrics["rollout/filled"] == 0
    assert done.metrics["rollout/sampled_tokens"] == done.cost.sampled_tokens == everything.cost.sampled_tokens
    # What the policy does is told of all that it wrote, not of what was kept.
    for name in ("rollout/reward", "rollout/accuracy", "rollout/length", "rollout/outcome/correct"):
        assert done.metrics[name] == everything.metrics[name]
    assert not [name for name in everything.metrics if name in ("rollout/filled", "rollout/thrown_away")]


def test_where_nothing_teaches_the_batch_is_filled_up_and_it_is_said_once() -> None:
    stage = make(replace(CONFIG, dynamic_rounds=3))
    stage.asking.judge = lambda questions, responses: [Outcome("wrong") for _ in responses]
    before = test_reft.weights(stage)
    first, second = stage.advance(), stage.advance()
    assert torch.equal(test_reft.weights(stage), before)
    for step in (first, second):
        assert step.metrics["rollout/filled"] == 1
        assert step.metrics["rollout/thrown_away"] == pytest.approx(2 / 3)
    assert ["fill up the batch" in note for note in first.notes] == [True]
    assert second.notes == []
    # Of the 8 questions 4 a round were asked in 3 rounds each, so that the walk has come round three times.
    assert stage.iterate().questions[::GROUP] == permutation(8, 0, "question order", 3)[:4]


def test_a_stage_goes_on_bit_for_bit() -> None:
    whole, first, second = make(), make(), make()
    course = [whole.advance().metrics for _ in range(4)]
    for _ in range(2):
        first.advance()
    second.restore(json.loads(json.dumps(first.counters())))
    second.policy.load_state_dict(first.policy.state_dict())
    second.optimizer.restore(first.optimizer.tensors())
    for before in course[2:]:
        after = second.advance().metrics
        assert {name: x for name, x in before.items() if not name.startswith("time/")} == {
            name: x for name, x in after.items() if not name.startswith("time/")
        }
    assert torch.equal(test_reft.weights(whole), test_reft.weights(second))
    assert whole.counters() == second.counters()
    assert max(metrics["rollout/thrown_away"] for metrics in course) > 0


def test_batch_layout_changes_nothing() -> None:
    one, other = make(), make(decode_batch=5, tokens_per_micro_batch=64)
    for _ in range(2):
        first, second = one.iterate(), other.iterate()
        assert (first.questions, first.cost.questions) == (second.questions, second.cost.questions)
        assert first.rollouts.responses == second.rollouts.responses


def test_passes_over_the_questions_are_counted_by_those_that_were_asked() -> None:
    """There are 8 questions."""
    stage = make(replace(CONFIG, iterations=None, data_epochs=4, eval_every_epochs=1))
    asked, evaluated, total = [], [], 0
    while not stage.done:
        total += stage.iterate().cost.questions
        asked.append(total)
        evaluated.append(stage.is_evaluated)
        goes_on = make(stage.config)
        goes_on.restore(stage.counters())
        assert (goes_on.is_evaluated, goes_on.done) == (stage.is_evaluated, stage.done)
    assert asked[-1] >= 32 > asked[-2]
    assert len(asked) < stage.total_steps == 8
    passes = [0, *(count // 8 for count in asked)]
    assert evaluated[:-1] == [after > before for before, after in pairwise(passes[:-1])]
    assert evaluated[-1]


def test_long_responses_cost_reward_and_not_accuracy() -> None:
    config = replace(CONFIG, dynamic_sampling=False, overlong_cache=0.5)
    done = make(config).iterate()
    plain = make(replace(config, overlong_cache=None)).iterate()
    lengths = [len(response) for response in done.rollouts.responses]
    lost = [min(0.0, (5 - n) / 5) for n in lengths]
    assert done.metrics["rollout/overlong_penalty"] == pytest.approx(sum(lost) / 12)
    assert min(lost) == -1
    for name in ("rollout/reward", "rollout/accuracy"):
        assert done.metrics[name] == plain.metrics[name]
    assert torch.equal(done.rollouts.scores, plain.rollouts.scores)
    totals = [score + less for score, less in zip(done.rollouts.scores.tolist(), lost, strict=True)]
    means = [sum(group) / GROUP for group in groups(totals) for _ in range(GROUP)]
    expected = [total - mean for total, mean in zip(totals, means, strict=True)]
    assert done.rollouts.advantages[:, 0].tolist() == pytest.approx(expected, abs=1e-6)
