"""How sure a number is: means over seeds, differences of pairs, two models problem by problem, many tests at once.

Two kinds of chance are kept apart. Seeds: the same setting trained again ends elsewhere; `mean_over_seeds` and
`paired_difference` are about that. Problems: the same checkpoint asked other questions scores otherwise;
`reft_lab.evaluation.score.score` (one run) and `compare_problems` (two runs on the same problems) are about that, and
say nothing of what another seed would give. `reft_lab.analysis.resampling` has both at once; docs/statistics.md says
which is used where.

scipy and statsmodels are imported where they are used, because run.py reaches this module.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from reft_lab.evaluation.score import LEVEL
from reft_lab.randomness import generator

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Key = TypeVar("Key", bound=Hashable)
Bounds = tuple[float, float]
NAN = math.nan
ENOUGH = 3  # seeds that an interval needs
ROUNDING = 1e-12  # what arithmetic alone makes of values that are the same
SHARES: Bounds = (0.0, 1.0)
DIFFERENCES: Bounds = (-1.0, 1.0)  # of two shares


@dataclass(frozen=True)
class Mean:
    """A mean of independent values, and how far it may be off.

    One or two seeds have no interval: t(0.975) is 12.7 for two, so theirs would say nothing, and their spread is known
    to nobody.

    Attributes:
        mean: in the unit of the values.
        n: values (seeds), at least 1.
        standard_error: of the mean, in the unit of the values; nan for fewer than ENOUGH values.
        low, high: 95 % interval of the mean; nan for fewer than ENOUGH values.
        degrees: of freedom, of Student's t.
        bounds: between which all values lie; None where nothing is known.
        questions: how many questions the interval is over beside the seeds; 0: over seeds alone.
    """

    mean: float
    n: int
    standard_error: float = NAN
    low: float = NAN
    high: float = NAN
    degrees: float = NAN
    bounds: Bounds | None = None
    questions: int = 0

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return self.n >= ENOUGH


def mean_over_seeds(values: Sequence[float], bounds: Bounds | None = SHARES) -> Mean:
    """Mean of one value a seed, with its standard error s / sqrt(n) and 95 % interval (see `interval_around`).

    Args:
        values: at least one; those of two seeds have no interval.
        bounds: between which all values lie; None: anywhere.

    Raises:
        ValueError: there is no value, or their mean is beyond the bounds.
    """
    count = len(values)
    if not count:
        raise ValueError("a mean needs at least one value")
    mean = statistics.fmean(values)
    if count < ENOUGH:
        return Mean(mean, count, bounds=bounds)
    error = statistics.stdev(map(float, values)) / math.sqrt(count)
    if bounds is not None and not bounds[0] - ROUNDING <= mean <= bounds[1] + ROUNDING:
        raise ValueError(f"the mean of values from {bounds[0]:g} to {bounds[1]:g} cannot be {mean:g}")
    low, high = interval_around(mean, error, count - 1, bounds)
    return Mean(mean, count, error, float(low), float(high), count - 1, bounds)


def paired_difference(ours: Sequence[float], theirs: Sequence[float], bounds: Bounds | None = DIFFERENCES) -> Mean:
    """Mean of ours - theirs over pairs, with standard error and 95 % interval.

    A pair shares its seed, so what the seed does to both (the same data order, the same initial weights) cancels.

    Args:
        ours, theirs: one value a pair, in the same order; see `common`.
        bounds: of the differences.

    Raises:
        ValueError: the lengths differ, or there is no pair.
    """
    return mean_over_seeds([a - b for a, b in zip(ours, theirs, strict=True)], bounds)


def common(ours: Mapping[Key, float], theirs: Mapping[Key, float]) -> tuple[list[float], list[float]]:
    """The values of the keys (seeds) that both have, in the order of `ours`; two empty lists where they share none."""
    keys = [key for key in ours if key in theirs]
    return [ours[key] for key in keys], [theirs[key] for key in keys]


def interval_around(mean: ArrayLike, error: ArrayLike, degrees: ArrayLike, bounds: Bounds | None) -> Any:
    """The 95 % interval of a mean by Student's t, which never leaves the bounds.

    Between bounds a and b it is symmetric on the logit scale, on which there are none: with y = log((m - a) / (b - m)),
    it is y ± t(0.975, degrees) dy, where dy = error (b - a) / ((m - a)(b - m)) (the delta method), and back. Far from
    the bounds this is m ± t error, which it is where there are none. Cutting m ± t error at the bounds instead covers
    too seldom near them (docs/statistics.md).

    Args:
        mean, error, degrees: of any shape, and how many degrees of freedom.
        bounds: of the values.

    Returns:
        Two arrays, the lower and the upper ends; a mean without error has itself for both, one beyond the bounds nan.
    """
    from scipy.special import expit
    from scipy.stats import t

    mean, error = np.asarray(mean, float), np.asarray(error, float)
    reach = t.ppf((1 + LEVEL) / 2, degrees)
    if bounds is None:
        return mean - reach * error, mean + reach * error
    low, high = bounds
    with np.errstate(invalid="ignore"):  # at the bounds, where there is no error, and beyond
        middle, half = _on_the_line(mean, bounds), reach * error * _stretch(mean, bounds)
        ends = [low + (high - low) * expit(middle + sign * half) for sign in (-1, 1)]
    return tuple(np.where(error == 0, mean, end) for end in ends)


def p_of_mean(mean: Mean) -> float:
    """Two-sided p of the hypothesis that the true mean is 0 (Student's t, on the scale of `interval_around`).

    It is below 0.05 where the interval leaves out 0. nan where there is no interval, and where all values are the same:
    then there is no spread to measure the mean against.
    """
    if not mean.known or not mean.standard_error > ROUNDING:
        return NAN
    from scipy.stats import t

    distance, error = mean.mean, mean.standard_error
    if mean.bounds is not None:
        distance = float(_on_the_line(mean.mean, mean.bounds) - _on_the_line(0.0, mean.bounds))
        error *= float(_stretch(mean.mean, mean.bounds))
    return float(2 * t.sf(abs(distance / error), mean.degrees))


def _on_the_line(value: Any, bounds: Bounds) -> Any:
    from scipy.special import logit

    return logit((value - bounds[0]) / (bounds[1] - bounds[0]))


def _stretch(value: Any, bounds: Bounds) -> Any:
    """How much longer a short way is on the logit scale."""
    low, high = bounds
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.divide(high - low, (value - low) * (high - value))


def holm(ps: Sequence[float]) -> list[float]:
    """Holm-adjusted p, in the order given: small ones are still small after m tests were made at once.

    With p sorted, p(1) <= ... <= p(m), the k-th becomes max over j <= k of min(1, (m - j + 1) p(j)) (Holm, 1979). An
    adjusted p below 0.05 keeps the chance of any false alarm among the m below 5 %, however the tests depend on each
    other. A nan is a test that could not be made: it stays nan and does not count in m.
    """
    adjusted = np.array(ps, float)
    made = ~np.isnan(adjusted)
    if made.any():
        from statsmodels.stats.multitest import multipletests

        adjusted[made] = multipletests(adjusted[made], method="holm")[1]
    return [float(p) for p in adjusted]


@dataclass(frozen=True)
class ProblemComparison:
    """Two models on the same problems, problem by problem.

    Attributes:
        both, only_ours, only_theirs, neither: problems that were answered right by both, by one of them, by none.
        difference: our accuracy minus theirs, a fraction in [-1, 1].
        low, high: 95 % interval of the difference (paired bootstrap over problems).
        p: exact two-sided p of McNemar's test that both are right equally often.
    """

    both: int
    only_ours: int
    only_theirs: int
    neither: int
    difference: float
    low: float
    high: float
    p: float

    @property
    def n(self) -> int:
        """Problems."""
        return self.both + self.only_ours + self.only_theirs + self.neither


def compare_problems(ours: Sequence[bool], theirs: Sequence[bool]) -> ProblemComparison:
    """Compare two models that answered the same problems.

    Args:
        ours, theirs: whether each problem was answered right, in the same order.

    Raises:
        ValueError: the lengths differ, or there is no problem.
    """
    pairs = [(bool(a), bool(b)) for a, b in zip(ours, theirs, strict=True)]
    if not pairs:
        raise ValueError("a comparison needs at least one problem")
    only_ours, only_theirs, both = pairs.count((True, False)), pairs.count((False, True)), pairs.count((True, True))
    low, high = paired_bootstrap(only_ours, only_theirs, len(pairs))
    return ProblemComparison(
        both=both,
        only_ours=only_ours,
        only_theirs=only_theirs,
        neither=pairs.count((False, False)),
        difference=(only_ours - only_theirs) / len(pairs),
        low=low,
        high=high,
        p=mcnemar(only_ours, only_theirs),
    )


def mcnemar(only_ours: int, only_theirs: int) -> float:
    """Exact two-sided p of McNemar's test: of the problems that one of two models got right, either is as likely.

    Problems that both or none got right say nothing about which is better and do not enter. 1 where there are no
    others.
    """
    from statsmodels.stats.contingency_tables import mcnemar as test

    return float(test([[0, only_ours], [only_theirs, 0]], exact=True).pvalue)


def paired_bootstrap(
    only_ours: int, only_theirs: int, n: int, *, seed: int = 0, resamples: int = 10_000
) -> tuple[float, float]:
    """95 % percentile interval of the difference of two accuracies on the same n problems, by resampling problems.

    Args:
        only_ours, only_theirs: problems that one of the two got right.
        n: all problems, at least 1.
        seed: of the resampling; the same seed gives the same interval.
        resamples: how many.
    """
    if not only_ours and not only_theirs:
        return 0.0, 0.0
    from scipy.stats import bootstrap

    # A problem contributes +1 (only ours is right), -1 (only theirs) or 0.
    each = np.repeat([1.0, -1.0, 0.0], [only_ours, only_theirs, n - only_ours - only_theirs])
    if n == 1:
        return float(each[0]), float(each[0])
    found = bootstrap(
        (each,),
        np.mean,
        n_resamples=resamples,
        batch=500,  # some megabytes at a time
        confidence_level=LEVEL,
        method="percentile",
        rng=generator(seed, "paired bootstrap"),
    ).confidence_interval
    return float(found.low), float(found.high)
