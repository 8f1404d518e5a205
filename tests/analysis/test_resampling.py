"""Seeds and questions resampled together, against every resample there is, and on data whose truth is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from reft_lab.analysis.resampling import (
    difference_over_seeds_and_questions,
    mean_over_seeds_and_questions,
    standard_error,
)
from reft_lab.analysis.statistics import interval_around
from reft_lab.evaluation.score import score


def draw(seeds, questions, *, of_seeds, of_questions=1.0, gain=0.0, random=None):
    """Right answers, (2, S, Q), of two settings: questions are as hard for both, the second is better by `gain`."""
    random = random or np.random.default_rng(0)
    able = random.normal(0, of_seeds, (2, seeds, 1)) + np.array([0, gain])[:, None, None]
    hard, luck = random.normal(0, of_questions, questions), random.normal(0, 0.7, (2, seeds, questions))
    return able + hard + luck > 0


def every_mean(table):
    """Of every resample: one row fewer than there are, as many columns as there are."""
    rows, columns = table.shape
    for drawn in itertools.product(range(rows), repeat=rows - 1):
        for asked in itertools.product(range(columns), repeat=columns):
            yield table[np.ix_(drawn, asked)].mean()


def test_the_standard_error_is_that_of_every_resample():
    table = np.random.default_rng(1).random((3, 4))
    assert standard_error([table], resamples=20_000) == pytest.approx(np.std(list(every_mean(table))), rel=0.03)


def test_the_interval_is_drawn_around_the_mean_with_that_error():
    right, _ = draw(4, 30, of_seeds=0.3)
    found = mean_over_seeds_and_questions(right)
    assert found.mean == right.mean()
    assert (found.n, found.questions) == (4, 30)
    assert found.standard_error == standard_error([right.astype(float)])
    assert found.degrees >= 3  # those of the seeds at least
    assert (found.low, found.high) == interval_around(found.mean, found.standard_error, found.degrees, (0, 1))


def test_without_a_spread_over_questions_it_is_that_over_seeds():
    values = [0.5, 0.6, 0.7, 0.4]
    found = mean_over_seeds_and_questions(np.repeat([values], 50, axis=0).T)
    assert found.standard_error == pytest.approx(stats.sem(values), rel=0.05)
    assert found.degrees == pytest.approx(3)


def test_seeds_that_are_all_alike_leave_the_spread_over_questions():
    right = np.tile(np.arange(400) % 4 == 0, (3, 1))
    found = mean_over_seeds_and_questions(right)
    low, high = score(100, 400).ci95
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.005)


def test_what_pairs_share_cancels():
    random = np.random.default_rng(2)
    ours = random.random((5, 200)) < np.linspace(0.2, 0.8, 5)[:, None]
    theirs = ours & (random.random((5, 200)) < 0.9)
    paired = difference_over_seeds_and_questions(ours, theirs)
    apart = difference_over_seeds_and_questions(ours, theirs, paired=False)
    assert paired.mean == pytest.approx(apart.mean)
    assert paired.standard_error < apart.standard_error / 3
    assert paired.low > 0
    assert apart.low < 0 < apart.high


def test_settings_with_other_seeds_may_have_other_numbers_of_them():
    theirs, ours = draw(6, 100, of_seeds=0.2, gain=1.0)
    found = difference_over_seeds_and_questions(ours[:4], theirs, paired=False)
    assert found.mean == pytest.approx(ours[:4].mean() - theirs.mean())
    assert found.n == 4
    with pytest.raises(ValueError, match="cannot be compared"):
        difference_over_seeds_and_questions(ours[:4], theirs)
    with pytest.raises(ValueError, match="cannot be compared"):
        difference_over_seeds_and_questions(ours, theirs[:, :50])


@pytest.mark.parametrize("count", [1, 2])
def test_two_seeds_have_no_interval(count):
    theirs, ours = draw(count, 50, of_seeds=0.2)
    for found in (mean_over_seeds_and_questions(ours), difference_over_seeds_and_questions(ours, theirs)):
        assert not found.known
        assert np.isnan([found.standard_error, found.low, found.high]).all()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_all_right_or_all_wrong_is_no_certainty(share):
    found = mean_over_seeds_and_questions(np.full((3, 100), share))
    assert (found.low, found.high) == score(round(100 * share), 100).ci95
    assert found.high - found.low > 0.03


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_no_interval_leaves_what_is_possible(share):
    random = np.random.default_rng(3)
    rates = np.clip(random.normal(share, 0.1, (3, 1)), 0, 1)
    right = random.random((3, 20)) < rates
    found, change = mean_over_seeds_and_questions(right), difference_over_seeds_and_questions(right, ~right)
    assert 0 <= found.low <= found.mean <= found.high <= 1
    assert -1 <= change.low <= change.mean <= change.high <= 1


def test_the_same_answers_give_the_same_interval():
    right, _ = draw(4, 30, of_seeds=0.3)
    assert mean_over_seeds_and_questions(right) == mean_over_seeds_and_questions(right)
    assert mean_over_seeds_and_questions(right) != mean_over_seeds_and_questions(right, seed=1)


@pytest.mark.parametrize("of_seeds", [0.0, 0.3])
def test_the_interval_covers_the_truth_as_often_as_it_says(of_seeds):
    """Where seeds hardly vary and where they do; over seeds alone, or over questions alone, one of the two fails."""
    random = np.random.default_rng(4)
    gain, spread = 0.4, np.sqrt(of_seeds**2 + 1 + 0.49)
    truth = stats.norm.cdf(gain / spread) - 0.5
    covered = {"both": 0, "percentiles of seeds": 0}
    for _ in range(120):
        theirs, ours = draw(5, 60, of_seeds=of_seeds, gain=gain, random=random)
        found = difference_over_seeds_and_questions(ours, theirs)
        covered["both"] += found.low <= truth <= found.high
        each = (ours.mean(axis=1) - theirs.mean(axis=1))[random.integers(5, size=(500, 5))].mean(axis=1)
        low, high = np.percentile(each, [2.5, 97.5])
        covered["percentiles of seeds"] += low <= truth <= high
    assert covered["both"] >= 0.9 * 120
    assert covered["percentiles of seeds"] < covered["both"]
