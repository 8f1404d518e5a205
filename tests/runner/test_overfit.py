"""Learning a few problems by heart: when it is enough, and what is said where it does not come."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.errors import BadInput, RunFailed
from reft_lab.methods import METHODS
from reft_lab.runner.overfit import RECENT, Overfit, examples, judge, why_not
from tests.runner.leftovers import lines_of, result_of
from tests.runner.small_runs import finish

CONFIG = check(compose("debug=overfit"))
SUPERVISED = [{"warmup/loss": 4.0}, {"warmup/loss": 0.1, "eval/accuracy": 1.0, "eval/truncated_share": 0.0}]


def rollouts(*rewards: float, **others: float) -> list[dict[str, float]]:
    every = {"rollout/accuracy": 0.5, "ppo/kl_ref": 1.5, "ppo/entropy_response": 3.0} | others
    return [{"rollout/reward": reward} | every for reward in rewards]


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([{"warmup/loss": 4.0}], "give it more steps"),
        (
            [{"eval/accuracy": 0.5, "eval/truncated_share": 0.4}],
            "40 % of the responses are cut at ppo.max_new_tokens=60",
        ),
        (
            [{"warmup/loss": 4.0}, {"warmup/loss": 3.0, "eval/accuracy": 0.0, "eval/truncated_share": 0.0}],
            "went from 4 to 3 only, in 2 steps; raise warmup.lr=0.0015 or warmup.epochs=600",
        ),
        (
            [{"warmup/loss": 4.0}, {"warmup/loss": 0.01, "eval/accuracy": 0.0, "eval/truncated_share": 0.0}],
            "is down to 0.01, so it is known by heart, and yet it is not what the policy writes",
        ),
        ([*SUPERVISED, *rollouts(0.8, 0.5)], "fell from 0.80 to 0.50 in 2 iterations and the policy is 1.5 nats"),
        ([*SUPERVISED, *rollouts(0.5, 0.8)], "rose from 0.50 to 0.80 in 2 iterations, which were too few"),
        ([*SUPERVISED, *rollouts(0.5, 0.5, **{"ppo/entropy_response": 0.01})], "the same response each time"),
        ([*SUPERVISED, *rollouts(0.1, 0.1, **{"rollout/accuracy": 0.0})], "hardly any sampled response was right"),
        ([*SUPERVISED, *rollouts(0.5, 0.5)], "stayed at 0.50 in 2 iterations; raise ppo.lr=0.0002$"),
    ],
)
def test_what_is_most_likely_the_matter(records: list[dict[str, float]], words: str) -> None:
    assert words in f"{why_not(CONFIG, Overfit(8), records)}$"


def test_the_verdict_counts_what_is_wrong() -> None:
    overfit = Overfit(8, gold=1.0)
    records = [*SUPERVISED, *rollouts(0.5, 0.85, 0.85, 0.95, 0.95)]
    found = judge(overfit, CONFIG, "reft", 5, {"correct": 5, "wrong": 2, "no_answer": 1}, records)
    assert not found.is_reached
    assert found.sentence.startswith(
        "overfit: greedy answers are right for 5 of 8 problems (2 wrong, 1 no answer), and sampled ones earn 0.90 "
        "(0.50 at first) where gold reasoning earns 1.00: the mean reward rose"
    )
    overfit.reached = ("warmup", "reft")
    found = judge(overfit, CONFIG, "reft", 8, {"correct": 8}, records)
    assert found.is_reached
    assert found.sentence.endswith("gold reasoning earns 1.00, after 2 supervised steps and 5 iterations.")
    assert (found.numbers["right"], found.numbers["why"]) == (8, None)


@pytest.mark.parametrize(
    ("accuracy", "reward", "is_enough"), [(1.0, 0.95, True), (1.0, 0.94, False), (0.875, 1.0, False), (1.0, None, True)]
)
def test_the_last_stage_is_over_where_samples_are_right_too(
    accuracy: float, reward: float | None, is_enough: bool
) -> None:
    overfit = Overfit(8, gold=1.0)
    record = {"eval/accuracy": accuracy} | ({} if reward is None else {"rollout/reward": reward})
    stage: Any = SimpleNamespace(kind=METHODS["reft"].last)
    if reward is not None:
        for last in (1.0, reward, reward):  # one batch that was lucky is not enough, and goes out of sight
            assert not overfit.is_reached(stage, record | {"rollout/reward": last}, is_last=True)
        assert not overfit.is_reached(stage, record | {"rollout/reward": 0.5}, is_last=True)
        for _ in range(RECENT - 1):
            assert not overfit.is_reached(stage, record, is_last=True)
    assert overfit.is_reached(stage, record, is_last=True) == is_enough
    assert overfit.reached == (("reft",) if is_enough else ())
    assert not overfit.is_reached(stage, {"rollout/reward": 1.0}, is_last=True)  # not evaluated


@pytest.mark.long
def test_it_learns_the_default_s_problems_to_a_reward_of_nearly_one(tmp_path: Path) -> None:
    result = result_of(finish(tmp_path / "run", "debug=overfit"))
    assert (result["status"], result["overfit"]["right"], result["overfit"]["why"]) == ("finished", 8, None)
    assert result["overfit"]["reward"] >= 0.95


def test_what_was_not_learned_can_be_read() -> None:
    told = {"question": "1 and 2?", "response": "a\n" + "b" * 900, "answer": None, "gold": "3", "outcome": "no_answer"}
    (text,) = examples([{"id": "p1"} | told, {"id": "p2"} | told | {"outcome": "correct"}])
    assert text.startswith("not learned: p1: 1 and 2?\n  | a\n  | bbb")
    assert text.endswith("...\n  no answer: answer none, gold 3")


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = ("debug=overfit", "overfit=2", "method=sft", "sft.lr=5e-3")
    return finish(tmp_path_factory.mktemp("overfit") / "run", *words)


def test_a_stage_ends_where_all_is_learned(learned: Path) -> None:
    result, records = result_of(learned), lines_of(learned)
    assert (result["status"], result["final"]["test"]["accuracy"], result["final"]["test"]["n"]) == ("finished", 1.0, 2)
    assert result["overfit"] == {"problems": 2, "right": 2, "gold_reward": 1.0, "reward": None, "why": None}
    assert result["data"]["counts"] == {"train": 2, "dev": 2, "test": 2}
    assert len(records) < 600
    assert [record["eval/accuracy"] for record in records if "eval/accuracy" in record][-1] == 1.0
    assert all(record["eval/accuracy"] < 1 for record in records[:-1] if "eval/accuracy" in record)


def test_what_is_not_learned_fails_the_run_with_the_reason(tmp_path: Path) -> None:
    words = ("debug=overfit", "overfit=2", "method=sft", "sft.epochs=5", "sft.lr=1e-6")
    with pytest.raises(RunFailed, match=r"right for 0 of 2 problems .*: the loss on gold reasoning went from .* only"):
        finish(tmp_path / "run", *words)
    result = result_of(tmp_path / "run")
    assert (result["status"], result["overfit"]["right"]) == ("failed", 0)
    assert "sft.lr=1e-06" in result["overfit"]["why"]


def test_a_reward_that_gold_reasoning_does_not_earn_cannot_be_learned(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match=r"gold reasoning, which is right, earns 0 under reward=inverted"):
        finish(tmp_path / "run", "debug=overfit", "overfit=2", "reward=inverted")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("method=reranker",), "makes a model that writes nothing itself"),
        (("method=evaluate", "model.path=somewhere"), "trains nothing"),
        (("baseline=sft",), "leave out baseline=sft"),
    ],
)
def test_what_cannot_be_taught_is_refused(words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        check(compose("debug=overfit", *words))
