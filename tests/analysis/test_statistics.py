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
REFT = [0.734, 0.714, 0.746, 0.680, 0.658]
SFT = [0.596, 0.590, 0.500, 0.458, 0.596]
# What is not a share has no bounds, and the plain interval of Student's t.
HEIGHTS = [7.34, 7.14, 7.46, 6.80, 6.58]


def test_the_mean_over_seeds_is_that_of_scipy():
    mean = mean_over_seeds(HEIGHTS, None)
    assert mean.mean == pytest.approx(sum(HEIGHTS) / 5)
    assert mean.standard_error == pytest.approx(stats.sem(HEIGHTS))
    expected = stats.t.interval(0.95, 4, loc=np.mean(HEIGHTS), scale=stats.sem(HEIGHTS))
    assert (mean.low, mean.high) == pytest.approx(expected)
    assert mean.n == 5


def test_the_interval_of_a_share_is_symmetric_on_the_logit_scale():
    mean = mean_over_seeds(REFT)
    middle, low, high = (math.log(p / (1 - p)) for p in (mean.mean, mean.low, mean.high))
    error = stats.sem(REFT) / (mean.mean * (1 - mean.mean))  # the delta method
    assert (low, high) == pytest.approx((middle - 2.776 * error, middle + 2.776 * error), abs=1e-3)
    plain = mean_over_seeds(REFT, None)
    assert (mean.low, mean.high) == pytest.approx((plain.low, plain.high), abs=0.005)  # far from 0 and 1


@pytest.mark.parametrize("values", [(0.99, 0.8, 1.0), (0.01, 0.0, 0.2), (0.0, 1.0, 0.5), (0.97, 1.0, 1.0, 1.0)])
def test_no_interval_leaves_what_is_possible(values):
    mean, difference = mean_over_seeds(values), paired_difference(values, [1 - value for value in values])
    assert 0 < mean.low < mean.mean < mean.high < 1
    assert -1 < difference.low < difference.mean < difference.high < 1
    plain = mean_over_seeds(values, None)
    assert plain.low < 0 or plain.high > 1


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_values_that_are_all_the_same_have_no_spread(value):
    mean = mean_over_seeds([value] * 3)
    assert (mean.low, mean.high) == pytest.approx((value, value))


def test_a_value_beyond_its_bounds_is_refused():
    with pytest.raises(ValueError, match="from 0 to 1 cannot be 73"):
        mean_over_seeds([73.4, 71.4, 74.6])


@pytest.mark.parametrize("values", [(0.5,), (0.4, 0.6)])
def test_one_or_two_seeds_have_no_interval(values):
    mean = mean_over_seeds(values)
    assert mean.mean == 0.5
    assert not mean.known
    assert math.isnan(mean.low)
    assert math.isnan(mean.standard_error)
    assert math.isnan(p_of_mean(mean))


def test_no_value_has_no_mean():
    with pytest.raises(ValueError, match="at least one"):
        mean_over_seeds([])


def test_a_paired_difference_is_the_paired_t_test():
    theirs = stats.ttest_rel(REFT, SFT)
    interval = theirs.confidence_interval(0.95)
    plain = paired_difference(REFT, SFT, None)
    assert (plain.low, plain.high) == pytest.approx((interval.low, interval.high))
    assert p_of_mean(plain) == pytest.approx(theirs.pvalue)
    difference = paired_difference(REFT, SFT)
    assert difference.mean == pytest.approx(0.1584)  # README.md: 15.8 (3.4)
    assert difference.standard_error == pytest.approx(0.034, abs=0.0005)
    assert (difference.low, difference.high) == pytest.approx((interval.low, interval.high), abs=0.003)
    assert p_of_mean(difference) == pytest.approx(theirs.pvalue, abs=0.001)
    assert difference.low > 0


def test_p_is_below_five_per_cent_where_the_interval_leaves_out_0():
    random = np.random.default_rng(0)
    for _ in range(50):
        difference = paired_difference(*random.uniform(0.2, 0.9, (2, 4)))
        assert (not difference.low <= 0 <= difference.high) == (p_of_mean(difference) < 0.05)


def test_a_difference_that_may_be_none():
    difference = paired_difference([0.5, 0.6, 0.4], [0.5, 0.5, 0.5])
    assert difference.low < 0 < difference.high


def test_the_same_difference_each_time_has_no_p():
    assert math.isnan(p_of_mean(paired_difference([0.3, 0.4, 0.5], [0.1, 0.2, 0.3], None)))


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
