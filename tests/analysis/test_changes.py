"""One setting against another, by whatever their runs allow."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reft_lab.analysis.changes import Results, change_of, mean_of
from reft_lab.analysis.problems import answered
from reft_lab.analysis.resampling import difference_over_seeds_and_questions, mean_over_seeds_and_questions
from reft_lab.analysis.statistics import compare_problems, mean_over_seeds, p_of_mean, paired_difference

QUESTIONS = 40
RANDOM = np.random.default_rng(0)
OURS, THEIRS = (RANDOM.random((2, 5, QUESTIONS)) < np.array([0.7, 0.5])[:, None, None]).tolist()


def run(right, asked="and 1?"):
    """The answers of a run."""
    return answered(
        {"id": str(n), "question": f"{n} {asked}", "gold": str(n), "outcome": "correct" if each else "wrong"}
        for n, each in enumerate(right)
    )


def setting(rows, first=0, *, answers=True, asked="and 1?"):
    """A setting whose seeds are counted from `first`."""
    accuracy = {first + n: sum(row) / len(row) for n, row in enumerate(rows)}
    return Results(accuracy, {first + n: [run(row, asked)] for n, row in enumerate(rows)} if answers else {})


def test_seeds_and_questions_are_paired():
    change = change_of(setting(OURS), setting(THEIRS))
    expected = difference_over_seeds_and_questions(OURS, THEIRS)
    assert (change.difference, change.low, change.high) == (expected.mean, expected.low, expected.high)
    assert change.p == p_of_mean(expected)
    assert (change.basis, change.seeds, change.questions) == ("5 seeds × 40 problems", 5, QUESTIONS)
    assert change.needed.seeds
    mean = mean_of(setting(OURS))
    assert mean == mean_over_seeds_and_questions(OURS)


def test_seeds_are_paired_by_what_they_are_called():
    shifted = change_of(setting(OURS[1:], 1), setting(THEIRS))
    expected = difference_over_seeds_and_questions(OURS[1:], THEIRS[1:])
    assert (shifted.difference, shifted.low) == (expected.mean, expected.low)


def test_seeds_that_are_not_shared_are_drawn_apart():
    change = change_of(setting(OURS), setting(THEIRS, 100))
    expected = difference_over_seeds_and_questions(OURS, THEIRS, paired=False)
    assert (change.difference, change.low) == (expected.mean, expected.low)
    assert change.basis == "5 seeds, not paired × 40 problems"
    assert change_of(setting(OURS[:2]), setting(THEIRS, 100)) is None


def test_without_answers_it_is_over_seeds_alone():
    change = change_of(setting(OURS, answers=False), setting(THEIRS))
    ours, theirs = ([sum(row) / QUESTIONS for row in rows] for rows in (OURS, THEIRS))
    expected = paired_difference(ours, theirs)
    assert (change.low, change.high) == (expected.low, expected.high)
    assert (change.basis, change.questions) == ("5 seeds", 0)
    assert change.needed.questions is None
    assert mean_of(setting(OURS, answers=False)) == mean_over_seeds(ours)


def test_two_seeds_give_a_difference_and_no_interval():
    change = change_of(setting(OURS[:2]), setting(THEIRS[:2]))
    assert change.difference == pytest.approx(np.mean(OURS[:2]) - np.mean(THEIRS[:2]))
    assert all(math.isnan(each) for each in (change.low, change.high, change.p, change.standard_error))
    assert change.basis == "2 seeds: no interval"
    assert change.needed.questions
    assert change.needed.seeds is None
    assert not change.counts
    assert change.as_json()["ci95"] is None


def test_one_seed_is_compared_problem_by_problem():
    change = change_of(setting(OURS[:1]), setting(THEIRS))
    expected = compare_problems(OURS[0], THEIRS[0])
    assert (change.difference, change.low, change.p) == (expected.difference, expected.low, expected.p)
    assert change.basis == "40 problems"
    assert change.as_json()["ci95"] is None  # of seeds
    assert change_of(setting(OURS[:1], answers=False), setting(THEIRS)).basis == "no predictions"


@pytest.mark.parametrize("count", [1, 2, 5])
def test_other_questions_are_refused_whatever_the_seeds(count):
    change = change_of(setting(OURS[:count]), setting(THEIRS, asked="and 2?"))
    assert math.isnan(change.difference)
    assert change.basis == "other test questions"
    assert change.as_json()["mean"] is None  # which JSON has no nan for
    assert "different questions" in change.refused
    fewer = change_of(setting(OURS[:count]), setting([row[:30] for row in THEIRS]))
    assert "one was tested on 30 of the 40 questions of the other" in fewer.refused


def test_runs_of_the_same_seed_count_as_one():
    twice = Results({0: 0.5, 1: 0.5, 2: 0.5}, {seed: [run(OURS[0]), run(OURS[1])] for seed in range(3)})
    expected = mean_over_seeds_and_questions(np.repeat([np.mean(OURS[:2], axis=0)], 3, axis=0))
    assert mean_of(twice) == expected
