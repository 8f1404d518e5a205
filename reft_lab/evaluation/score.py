"""An accuracy with its sample size and interval."""

from __future__ import annotations

from dataclasses import dataclass

LEVEL = 0.95  # of every interval there is


@dataclass(frozen=True)
class Score:
    """Share of right answers.

    Attributes:
        accuracy: fraction in [0, 1].
        n: problems.
        ci95: 95 % Wilson interval of the fraction.
    """

    accuracy: float
    n: int
    ci95: tuple[float, float]

    def as_json(self) -> dict[str, object]:
        """The form result.json holds."""
        return {"accuracy": self.accuracy, "n": self.n, "ci95": list(self.ci95)}


def score(correct: int, n: int) -> Score:
    """The Score of `correct` right answers among `n` problems (n >= 1), with its interval (Wilson, 1927)."""
    from scipy.stats import binomtest

    interval = binomtest(correct, n).proportion_ci(LEVEL, method="wilson")
    return Score(correct / n, n, (float(interval.low), float(interval.high)))
