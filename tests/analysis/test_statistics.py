"""The statistics against literal computations, scipy, and values from the literature."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from reft_lab.analysis.statistics import (
    common,
    compare_problems,
    holm,
    mcnemar,
    mean_over_seeds,
    p_of_mean,
    paired_bootstrap,
    paired_difference,
)

# README.md: test accuracy of the default over five seeds, after ReFT and of the best SFT checkpoint.
REFT = [73.4, 71.4, 74.6, 68.0, 65.8]
SFT = [59.6, 59.0, 50.0, 45.8, 59.6]


def test_the_mean_over_seeds_is_that_of_scipy():
    mean = mean_over_seeds(REFT)
    assert mean.mean == pytest.approx(sum(REFT) / 5)
    assert mean.standard_error == pytest.approx(stats.sem(REFT))
    assert (mean.low, mean.high) == pytest.approx(stats.t.interval(0.95, 4, loc=np.mean(REFT), scale=stats.sem(REFT)))
    assert mean.n == 5


def test_two_seeds_have_an_interval_of_12_7_standard_errors():
    mean = mean_over_seeds([0.4, 0.6])  # s = 0.1414, s / sqrt(2) = 0.1
    assert mean.standard_error == pytest.approx(0.1)
    assert mean.high - mean.mean == pytest.approx(12.706 * 0.1, abs=1e-4)


def test_one_seed_has_no_interval():
    mean = mean_over_seeds([0.5])
    assert mean.mean == 0.5
    assert not mean.known
    assert not mean.excludes_zero
    assert math.isnan(mean.low)
    assert mean.as_json() == {"mean": 0.5, "standard_error": None, "ci95": None}
    assert math.isnan(p_of_mean(mean))


def test_no_value_has_no_mean():
    with pytest.raises(ValueError, match="at least one"):
        mean_over_seeds([])


def test_a_paired_difference_is_the_paired_t_test():
    difference = paired_difference(REFT, SFT)
    theirs = stats.ttest_rel(REFT, SFT)
    interval = theirs.confidence_interval(0.95)
    assert difference.mean == pytest.approx(15.84)  # README.md: 15.8 (3.4)
    assert difference.standard_error == pytest.approx(3.4, abs=0.05)
    assert (difference.low, difference.high) == pytest.approx((interval.low, interval.high))
    assert p_of_mean(difference) == pytest.approx(theirs.pvalue)
    assert difference.excludes_zero


def test_a_difference_that_may_be_none():
    assert not paired_difference([0.5, 0.6, 0.4], [0.5, 0.5, 0.5]).excludes_zero


def test_the_same_difference_each_time_has_no_p():
    assert math.isnan(p_of_mean(paired_difference([3, 4], [1, 2])))


def test_pairs_of_different_length_are_refused():
    with pytest.raises(ValueError):
        paired_difference([1.0, 2.0], [1.0])


def test_common_seeds_are_paired_by_seed_not_by_place():
    assert common({0: 0.1, 1: 0.2, 5: 0.3}, {5: 0.9, 1: 0.8, 7: 0.7}) == ([0.2, 0.3], [0.8, 0.9])
    assert common({0: 1.0}, {1: 1.0}) == ([], [])


def test_holm_on_a_worked_example():
    # 0.01 * 4, max(0.02 * 3, ...), max(0.03 * 2, ...), max(0.04 * 1, 0.06)
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_holm_leaves_out_tests_that_were_not_made():
    adjusted = holm([0.02, math.nan, 0.01])
    assert adjusted[0] == pytest.approx(0.02)
    assert math.isnan(adjusted[1])
    assert adjusted[2] == pytest.approx(0.02)


def test_mcnemar_is_a_fair_coin():
    assert mcnemar(6, 0) == pytest.approx(2 / 2**6)
    assert mcnemar(5, 1) == pytest.approx(2 * (1 + 6) / 2**6)
    assert mcnemar(3, 3) == 1.0
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(2, 9) == mcnemar(9, 2)


@pytest.mark.parametrize(("ours", "theirs"), [(0, 1), (7, 19), (200, 260), (31, 30)])
def test_mcnemar_is_the_exact_binomial_test(ours, theirs):
    assert mcnemar(ours, theirs) == pytest.approx(stats.binomtest(ours, ours + theirs, 0.5).pvalue)


def test_two_models_problem_by_problem():
    ours = [True, True, True, False, True, False, False, False]
    theirs = [True, False, False, True, True, False, False, False]
    compared = compare_problems(ours, theirs)
    assert (compared.both, compared.only_ours, compared.only_theirs, compared.neither) == (2, 2, 1, 3)
    assert compared.n == 8
    assert compared.difference == pytest.approx(4 / 8 - 3 / 8)
    assert compared.p == mcnemar(2, 1)
    assert compared.low <= compared.difference <= compared.high


@pytest.mark.parametrize(("ours", "theirs"), [([], []), ([True], [True, False])])
def test_no_problems_or_other_problems_are_refused(ours, theirs):
    with pytest.raises(ValueError):
        compare_problems(ours, theirs)


def test_the_bootstrap_resamples_problems():
    only_ours, only_theirs, n = 60, 30, 400
    each = np.repeat([1.0, -1.0, 0.0], [only_ours, only_theirs, n - only_ours - only_theirs])
    drawn = np.random.default_rng(1).choice(each, (4000, n)).mean(axis=1)
    assert paired_bootstrap(only_ours, only_theirs, n) == pytest.approx(
        tuple(np.percentile(drawn, [2.5, 97.5])), abs=0.006
    )


def test_the_bootstrap_is_the_same_each_time():
    assert paired_bootstrap(60, 30, 400) == paired_bootstrap(60, 30, 400)
    assert paired_bootstrap(0, 0, 10) == (0.0, 0.0)
