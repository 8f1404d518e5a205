"""The audit of the reward, on responses whose pay is written down."""

from __future__ import annotations

import math

import pandas
import pytest
from scipy import stats

from reft_lab.analysis.reward_audit import (
    moving_together,
    pairs_at_odds,
    reward_and_accuracy,
    reward_by_outcome,
    wrongly_paid,
)
from tests.analysis.frames import found, history, runs_of

RUNS = runs_of(found("a", seed=0, reward="proximity"), found("b", seed=1, reward="exact", state="running"))
SAMPLES = pandas.DataFrame(
    [
        ("a", 5, "correct", 1.0),
        ("a", 5, "wrong", 0.6),
        ("a", 5, "wrong", 0.2),
        ("a", 5, "timeout", 0.0),
        ("a", 6, "correct", 0.5),
        ("a", 6, "wrong", 0.5),
        ("a", 6, "wrong", 0.1),
        ("b", 5, "correct", 1.0),
        ("b", 6, "no_answer", 0.0),
    ],
    columns=["run", "step", "outcome", "reward"],
)
NOTHING = pandas.DataFrame({"run": pandas.Series(dtype="str")})


def test_what_each_outcome_earned():
    frame = reward_by_outcome(SAMPLES, RUNS.table).set_index(["reward", "outcome"])
    wrong = frame.loc[("proximity", "wrong")]
    assert (wrong["responses"], wrong["mean"], wrong["lowest"], wrong["highest"]) == (4, pytest.approx(0.35), 0.1, 0.6)
    assert wrong["share"] == pytest.approx(1.4 / 2.9)
    assert frame.loc[("exact", "correct"), "share"] == 1.0  # an unfinished run was paid as well
    assert frame["share"].groupby("reward").sum().tolist() == pytest.approx([1.0, 1.0])


def test_what_was_paid_without_being_right():
    frame = wrongly_paid(SAMPLES).set_index(["run", "step", "metric"])["value"]
    assert frame["a", 5, "from_wrong"] == pytest.approx(0.8 / 1.8)
    assert frame["a", 5, "disagreement"] == 0.0
    assert frame["a", 6, "disagreement"] == 0.5  # of its two pairs, one wrong answer earned as much
    assert frame["b", 5, "from_wrong"] == 0.0
    assert ("b", 5, "disagreement") not in frame.index  # no pair
    assert ("b", 6, "from_wrong") not in frame.index  # nothing was paid


def test_a_penalty_pays_nothing():
    penalised = SAMPLES.assign(reward=SAMPLES["reward"] - 0.3)
    frame = wrongly_paid(penalised).set_index(["run", "step", "metric"])["value"]
    assert frame["a", 5, "from_wrong"] == pytest.approx(0.3 / 1.0)
    shares = reward_by_outcome(penalised, RUNS.table).set_index(["reward", "outcome"])["share"]
    assert shares["proximity", "wrong"] == pytest.approx(0.5 / 1.4)
    assert shares["proximity", "timeout"] == 0.0
    assert shares.groupby("reward").sum().tolist() == pytest.approx([1.0, 1.0])


def test_pairs_are_all_pairs():
    right, other = [0.5, 1.0, 0.2], [0.5, 0.1, 0.9]
    at_odds = sum(theirs >= ours for ours in right for theirs in other)
    assert pairs_at_odds(right, other) == (at_odds, 9)
    assert pairs_at_odds([], other) == (0, 0)


def test_without_samples_there_is_nothing():
    assert reward_by_outcome(NOTHING, RUNS.table).empty
    assert wrongly_paid(NOTHING).empty


def metrics(run: str, rewards: list[float], accuracies: list[float]) -> list[tuple[str, int, str, float]]:
    rewarded = [(run, 10 + step, "rollout/reward", value) for step, value in enumerate(rewards)]
    return rewarded + [(run, 10 + step, "rollout/accuracy", value) for step, value in enumerate(accuracies)]


def test_reward_beside_accuracy():
    frame = reward_and_accuracy(history(metrics("a", [0.3, 0.5], [0.25, 0.25])), RUNS.table)
    assert list(frame["iteration"]) == [1, 2]
    assert list(frame["unexplained"]) == pytest.approx([0.05, 0.25])
    assert set(frame["reward"]) == {"proximity"}


def test_whether_they_move_together():
    rewards, accuracies = [0.1, 0.4, 0.2, 0.5], [0.0, 0.3, 0.4, 0.4]
    rows = metrics("a", rewards, accuracies) + metrics("b", [0.1, 0.2], [0.0, 0.0])
    rows += [("a", 10 + step, "alarm/reward_hacking", float(step == 3)) for step in range(4)]
    frame = moving_together(reward_and_accuracy(history(rows), RUNS.table), history(rows)).set_index("run")
    assert frame.loc["a", "iterations"] == 4
    assert frame.loc["a", "rank_correlation"] == pytest.approx(stats.spearmanr(rewards, accuracies).statistic)
    assert frame.loc["a", "alarms"] == 0.25
    assert math.isnan(frame.loc["b", "rank_correlation"])  # its accuracy never moves
    assert math.isnan(frame.loc["b", "alarms"])


def test_runs_without_rollouts_give_nothing():
    rows = [("a", 1, "sft/loss", 1.0)]
    pairs = reward_and_accuracy(history(rows), RUNS.table)
    assert pairs.empty
    assert moving_together(pairs, history(rows)).empty
