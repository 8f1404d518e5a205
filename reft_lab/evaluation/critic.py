"""Is the critic any good: what it expects in states along responses, against Monte-Carlo values of the same states.

The Monte-Carlo value of a state is the mean return of K continuations that the policy samples from it (VinePPO,
2410.01679), so it has an error of its own: with variance s^2 / K, s^2 that of the returns. A critic that knew every
value exactly would therefore not explain all of the variance of Monte-Carlo values, and what it would explain stands
beside what the critic does explain, as `attainable`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from reft_lab.evaluation.score import LEVEL
from reft_lab.numbers import two_places
from reft_lab.randomness import generator

if TYPE_CHECKING:
    import numpy as np

TENTHS = 10
RESAMPLES = 1000
LEAST_ATTAINABLE = 0.2  # below, the states differ by little more than the error of their Monte-Carlo values
GOOD = 0.5  # of what is attainable


@dataclass(frozen=True)
class States:
    """M states along responses.

    Attributes:
        response: the number of the response that each is of (M,).
        place: where in it, from 0 to 1 (M,); the i-th of n tokens is chosen at (i + 1/2) / n.
        values: what the critic expects (M,).
        returns: of K continuations, K at least 2 (M, K).
        error: variance of the error of each Monte-Carlo value (M,).
    """

    response: np.ndarray
    place: np.ndarray
    values: np.ndarray
    returns: np.ndarray
    error: np.ndarray

    @classmethod
    def of(cls, response: np.ndarray, place: np.ndarray, values: np.ndarray, returns: np.ndarray) -> States:
        """With the error that follows from how the returns of a state differ."""
        return cls(response, place, values, returns, returns.var(1, ddof=1) / returns.shape[1])

    def __len__(self) -> int:
        return len(self.values)

    @property
    def tenth(self) -> np.ndarray:
        """The tenth of its response in which each state is, from 1 to 10 (M,)."""
        return (TENTHS * self.place).astype(int) + 1

    def chosen(self, rows: np.ndarray) -> States:
        """The states in these rows."""
        return States(*(column[rows] for column in vars(self).values()))

    def less_means(self) -> States:
        """Values and returns less their means over the response: what is left is what changes along it."""
        import numpy as np

        _, number = np.unique(self.response, return_inverse=True)
        counts = np.bincount(number)
        value = np.bincount(number, self.values) / counts
        mean = np.bincount(number, self.returns.mean(1)) / counts
        error = self.error * (1 - 1 / counts[number])  # the mean that is taken off has some of it
        return States(self.response, self.place, self.values - value[number], self.returns - mean[number, None], error)


@dataclass(frozen=True)
class Agreement:
    """How V and Monte-Carlo values of the same states agree; None where there are too few states, or all are alike.

    Attributes:
        states: how many there are.
        value: mean V.
        monte_carlo: mean Monte-Carlo value.
        bias: mean of V less Monte-Carlo value.
        explained_variance: 1 - var(MC - V) / var(MC): 1 is perfect but for `attainable`, 0 as good as a constant.
        attainable: what a perfect critic would come to in the mean, 1 - mean(s^2 / K) / var(MC), at least 0.
        rank_correlation: Spearman's.
    """

    states: int
    value: float
    monte_carlo: float
    bias: float
    explained_variance: float | None
    attainable: float | None
    rank_correlation: float | None


def agreement(states: States) -> Agreement:
    """How V agrees with the Monte-Carlo values of some states, at least one."""
    from scipy.stats import spearmanr

    mean = states.returns.mean(1)
    bias = float((states.values - mean).mean())
    told = len(states), float(states.values.mean()), float(mean.mean()), bias
    spread = mean.var()
    if len(states) < 3 or spread <= 1e-12:
        return Agreement(*told, None, None, None)
    is_constant = states.values.var() <= 1e-12
    rank = None if is_constant else float(spearmanr(states.values, mean).statistic)
    attainable = float(max(0.0, 1 - states.error.mean() / spread))
    return Agreement(*told, float(1 - (mean - states.values).var() / spread), attainable, rank)


def verdict(states: States, seed: int) -> dict[str, Any]:
    """All that the states say of the critic, as JSON.

    Returns:
        `overall` and, by two digits, `by_tenth`: Agreement; `within_response`: the same of what changes along a
        response, so that a critic which knows nothing but how hard a question is explains nothing; `interval`: 95 % of
        the explained variance overall, by resampling responses; `sentence`: whether the critic is any good.
    """
    overall = agreement(states)
    tenths = {n: states.chosen(states.tenth == n) for n in range(1, TENTHS + 1)}
    by_tenth = {f"{n:02d}": asdict(agreement(part)) for n, part in tenths.items() if len(part)}
    interval = _interval(states, seed)
    within = agreement(states.less_means())
    return {
        "overall": asdict(overall),
        "interval": interval,
        "within_response": asdict(within),
        "by_tenth": by_tenth,
        "sentence": _sentence(overall, interval, within, states.returns.shape[1]),
    }


def _interval(states: States, seed: int) -> list[float] | None:
    """95 % interval of the explained variance, responses drawn again with replacement; None where it has none."""
    import numpy as np
    from scipy.stats import bootstrap

    rows = [np.flatnonzero(states.response == number) for number in np.unique(states.response)]
    if len(rows) < 3 or agreement(states).explained_variance is None:
        return None
    mean, values = states.returns.mean(1), states.values

    def explained(drawn: Sequence[int]) -> float:
        at = np.concatenate([rows[int(number)] for number in drawn])
        spread = mean[at].var()
        return float(1 - (mean[at] - values[at]).var() / spread) if spread > 0 else 0.0

    found = bootstrap(
        (np.arange(len(rows)),),
        explained,
        n_resamples=RESAMPLES,
        vectorized=False,
        confidence_level=LEVEL,
        method="percentile",
        rng=generator(seed, "critic audit", "bootstrap"),
    )
    return [float(found.confidence_interval.low), float(found.confidence_interval.high)]


def _sentence(overall: Agreement, interval: list[float] | None, within: Agreement, continuations: int) -> str:
    """Whether the critic is any good."""
    explained, attainable = overall.explained_variance, overall.attainable
    if explained is None or attainable is None or attainable < LEAST_ATTAINABLE:
        return (
            f"Is the critic any good? That cannot be told: with {continuations} continuations the Monte-Carlo values "
            f"of these {overall.states} states differ by little more than their own error; raise "
            "audit.critic_continuations."
        )
    range_ = f" (95 % interval {two_places(interval[0])} to {two_places(interval[1])})" if interval else ""
    numbers = (
        f"it explains {two_places(explained)}{range_} of the variance of Monte-Carlo values, a constant 0 and a "
        f"perfect one {two_places(attainable)}"
    )
    along = ""
    ours, best = within.explained_variance, within.attainable
    if ours is not None and best is not None and best >= LEAST_ATTAINABLE:
        along = f"; of what changes along a response {two_places(ours)}, a perfect one {two_places(best)}"
    if explained <= 0 or (interval and interval[0] <= 0):
        answer = "There is no sign of it"
    elif explained >= GOOD * attainable:
        answer = "Yes"
    else:
        answer = "Somewhat"
    return f"Is the critic any good? {answer}: {numbers}{along}."
