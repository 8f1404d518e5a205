"""From judged samples to curves: what counts as one answer, what a point is, and how sure it is."""

from __future__ import annotations

import numpy as np
import pytest

from reft_lab.answers.compare import judge_letter, judge_number
from reft_lab.answers.outcome import Outcome
from reft_lab.answers.settings import AnswersConfig
from reft_lab.cot import NaturalFormat
from reft_lab.data.problem import Problem
from reft_lab.equations.decoding import NO_VOTE
from reft_lab.evaluation.decoding import curves, majority, pooled, steps, with_bands


def said(*answers: str, gold: str = "18") -> list[Outcome]:
    problem = Problem("q", "How many?", gold, None, "here")
    texts = [f"So. Therefore, the answer is: {answer}" for answer in answers]
    return NaturalFormat(AnswersConfig()).judge([problem] * len(texts), texts)


def test_answers_are_pooled_by_value():
    numbers = pooled(said("$18", "18", "18.0", "19", "a lot", "eighteen"), paper_tolerance=False)
    assert numbers[0] == numbers[1] == numbers[2] != numbers[3]
    assert numbers[4:] == [NO_VOTE, NO_VOTE]
    halves = pooled(said("0.5", "1/2", "50%", "0.6", gold="0.5"), paper_tolerance=False)
    assert halves[0] == halves[1] == halves[2] != halves[3]


def test_near_values_join_the_most_frequent_up_to_the_tolerance():
    outcomes = [judge_number(value, 18.0, False) for value in (17.992, 18.0, 18.0, 18.009, 18.02)]
    assert pooled(outcomes, paper_tolerance=False)[:4] == [0, 0, 0, 0]
    assert pooled(outcomes, paper_tolerance=False)[4] != 0
    small = [judge_number(value, 0.01, True) for value in (0.01, 0.0)]
    assert len(set(pooled(small, paper_tolerance=True))) == 1
    assert len(set(pooled(small, paper_tolerance=False))) == 2


def test_letters_are_pooled_as_letters_whatever_number_they_came_from():
    outcomes = [Outcome("correct", "b", value=24.0), judge_letter("B", "b"), judge_letter("c", "b")]
    numbers = pooled(outcomes, paper_tolerance=False)
    assert numbers[0] == numbers[1] != numbers[2]
    assert majority(outcomes, False) is outcomes[0]
    assert majority([Outcome("no_answer"), Outcome("timeout")], False) is None


def test_curves_have_powers_of_two_and_the_end():
    assert steps(1) == [1]
    assert steps(8) == [1, 2, 4, 8]
    assert steps(100) == [1, 2, 4, 8, 16, 32, 64, 100]


@pytest.fixture(scope="module")
def samples() -> list[list[Outcome]]:
    """Twelve samples of thirty questions of different difficulty, with three wrong answers."""
    dice = np.random.default_rng(0)
    values = [
        [18 if dice.random() < ease else dice.choice([19, 20, 21]) for _ in range(12)] for ease in dice.random(30)
    ]
    return [[judge_number(float(value), 18.0, False) for value in row] for row in values]


NAMES = [f"q{i}" for i in range(30)]


def test_the_last_point_is_what_all_samples_say(samples):
    scores = [[float(i % 5) for i in range(12)] for _ in samples]
    found = curves(samples, ["vote", "pass", "rerank"], NAMES, seed=0, paper_tolerance=False, scores=scores)
    assert list(found) == ["vote", "pass", "rerank"]
    assert list(found["vote"]) == [1, 2, 4, 8, 12]
    right = np.array([[outcome.kind == "correct" for outcome in of_one] for of_one in samples])
    votes = [majority(of_one, False).kind == "correct" for of_one in samples]
    assert found["vote"][12].accuracy == pytest.approx(np.mean(votes))
    assert found["pass"][12].accuracy == pytest.approx(right.any(1).mean())
    assert found["rerank"][12].accuracy == pytest.approx(right[:, [4, 9]].mean())
    # With one sample there is nothing to choose from.
    for way in found:
        assert found[way][1].accuracy == pytest.approx(right.mean())
    shares = [score.accuracy for score in found["pass"].values()]
    assert shares == sorted(shares)


def test_curves_do_not_depend_on_the_other_questions_or_on_their_order(samples):
    alone = [
        curves([of_one], ["vote"], [name], seed=0, paper_tolerance=False)
        for of_one, name in zip(samples, NAMES, strict=True)
    ]
    whole = curves(samples[::-1], ["vote"], NAMES[::-1], seed=0, paper_tolerance=False)
    for k in steps(12):
        assert whole["vote"][k].accuracy == pytest.approx(np.mean([one["vote"][k].accuracy for one in alone]))
    other = curves(samples, ["vote"], NAMES, seed=1, paper_tolerance=False)
    assert other["vote"][4].accuracy != whole["vote"][4].accuracy
    assert other["vote"][4].accuracy == pytest.approx(whole["vote"][4].accuracy, abs=0.02)


def test_bands_are_those_of_a_bootstrap_over_questions():
    """For shares of 0 and 1 a resample is a binomial draw, whose spread is known."""
    table = np.repeat([[1.0], [0.0]], [60, 40], axis=0)
    (score,) = with_bands({"x": table}, seed=0)["x"]
    spread = 1.96 * np.sqrt(0.6 * 0.4 / 100)
    assert score.accuracy == pytest.approx(0.6)
    assert score.n == 100
    assert score.ci95 == pytest.approx((0.6 - spread, 0.6 + spread), abs=0.015)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_band_never_closes_where_all_questions_came_out_alike(value):
    (score,) = with_bands({"x": np.full((20, 1), value)}, seed=0)["x"]
    low, high = score.ci95
    assert 0.0 <= low < high <= 1.0
    assert value in (low, high)
    assert high - low > 0.1
