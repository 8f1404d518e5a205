"""How sure a number is: means over seeds, differences of pairs, two models problem by problem, many tests at once.

Two kinds of chance are kept apart. Seeds: the same setting trained again ends elsewhere; `mean_over_seeds` and
`paired_difference` are about that. Problems: the same checkpoint asked other questions scores otherwise;
`reft_lab.evaluation.score.score` (one run) and `compare_problems` (two runs on the same problems) are about that, and
say nothing of what another seed would give.

scipy is imported where it is used, because run.py reaches this module; of it `scipy.special`, because `scipy.stats`
takes seconds to import.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from reft_lab.randomness import generator

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Key = TypeVar("Key", bound=Hashable)
NAN = math.nan


@dataclass(frozen=True)
class Mean:
    """A mean of independent values, and how far it may be off.

    Attributes:
        mean: in the unit of the values.
        n: values, at least 1.
        standard_error: of the mean, in the unit of the values; nan for one value, whose spread nobody knows.
        low, high: 95 % interval of the mean (Student's t with n - 1 degrees of freedom); nan for one value.
    """

    mean: float
    n: int
    standard_error: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether there is an interval, that is, more than one value."""
        return self.n > 1

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside the interval; False where there is none."""
        return self.known and not self.low <= 0 <= self.high

    def as_json(self) -> dict[str, float | list[float] | None]:
        """The form files hold: `mean`, `standard_error` and `ci95`, the last two null for one value."""
        if not self.known:
            return {"mean": self.mean, "standard_error": None, "ci95": None}
        return {"mean": self.mean, "standard_error": self.standard_error, "ci95": [self.low, self.high]}


def mean_over_seeds(values: Sequence[float]) -> Mean:
    """Mean of one value a seed, with its standard error s / sqrt(n) and 95 % interval.

    The interval is mean ± t(0.975, n - 1) s / sqrt(n), where s is the sample standard deviation (n - 1 in the
    denominator). With few seeds it is wide: t is 12.7 for two and 4.3 for three.

    Raises:
        ValueError: there is no value.
    """
    count = len(values)
    if not count:
        raise ValueError("a mean needs at least one value")
    mean = statistics.fmean(values)
    if count == 1:
        return Mean(mean, 1, NAN, NAN, NAN)
    error = statistics.stdev(map(float, values)) / math.sqrt(count)
    reach = float(t_reach(count - 1)) * error
    return Mean(mean, count, error, mean - reach, mean + reach)


def t_reach(degrees: ArrayLike) -> Any:
    """How many standard errors a 95 % interval reaches to either side: the 0.975 quantile of Student's t.

    Args:
        degrees: degrees of freedom, at least 1; a number or an array of any shape.

    Returns:
        A number, or an array of that shape.
    """
    from scipy.special import stdtrit

    return stdtrit(degrees, 0.975)


def paired_difference(ours: Sequence[float], theirs: Sequence[float]) -> Mean:
    """Mean of ours - theirs over pairs, with standard error and 95 % interval.

    A pair shares its seed, so what the seed does to both (the same data order, the same initial weights) cancels.

    Args:
        ours, theirs: one value a pair, in the same order; see `common`.

    Raises:
        ValueError: the lengths differ, or there is no pair.
    """
    return mean_over_seeds([a - b for a, b in zip(ours, theirs, strict=True)])


def common(ours: Mapping[Key, float], theirs: Mapping[Key, float]) -> tuple[list[float], list[float]]:
    """The values of the keys (seeds) that both have, in the order of `ours`; two empty lists where they share none."""
    keys = [key for key in ours if key in theirs]
    return [ours[key] for key in keys], [theirs[key] for key in keys]


def p_of_mean(mean: Mean) -> float:
    """Two-sided p of the hypothesis that the true mean is 0 (Student's t); of a `paired_difference`, the paired t-test.

    nan for one value, and where all values are the same: then there is no spread to measure the mean against.
    """
    if not mean.known or mean.standard_error == 0:
        return NAN
    from scipy.special import stdtr

    return float(2 * stdtr(mean.n - 1, -abs(mean.mean / mean.standard_error)))


def holm(ps: Sequence[float]) -> list[float]:
    """Holm-adjusted p, in the order given: small ones are still small after m tests were made at once.

    With p sorted, p(1) <= ... <= p(m), the k-th becomes max over j <= k of min(1, (m - j + 1) p(j)) (Holm, 1979). An
    adjusted p below 0.05 keeps the chance of any false alarm among the m below 5 %, however the tests depend on each
    other. A nan is a test that could not be made: it stays nan and does not count in m.
    """
    adjusted = [NAN] * len(ps)
    order = sorted((index for index, p in enumerate(ps) if not math.isnan(p)), key=lambda index: ps[index])
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * ps[index]))
        adjusted[index] = largest
    return adjusted


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
    from scipy.special import bdtr

    return min(1.0, float(2 * bdtr(min(only_ours, only_theirs), only_ours + only_theirs, 0.5)))


def paired_bootstrap(
    only_ours: int, only_theirs: int, n: int, *, seed: int = 0, resamples: int = 10_000
) -> tuple[float, float]:
    """95 % percentile interval of the difference of two accuracies on the same n problems, by resampling problems.

    A problem contributes +1 (only ours is right), -1 (only theirs) or 0, so drawing n problems with replacement is
    drawing how many of each kind there are: one multinomial draw a resample, the same law at a fraction of the work.

    Args:
        only_ours, only_theirs: problems that one of the two got right.
        n: all problems, at least 1.
        seed: of the resampling; the same seed gives the same interval.
        resamples: how many.
    """
    shares = [only_ours / n, only_theirs / n, (n - only_ours - only_theirs) / n]
    counts = generator(seed, "paired bootstrap").multinomial(n, shares, size=resamples)
    low, high = np.percentile((counts[:, 0] - counts[:, 1]) / n, [2.5, 97.5])
    return float(low), float(high)
