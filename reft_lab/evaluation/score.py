"""An accuracy with its sample size and interval."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist


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
    """The Score of `correct` right answers among `n` problems (n >= 1).

    The interval (Wilson, 1927) is written out, since importing scipy would take longer than the rest of a start.
    """
    z = NormalDist().inv_cdf(0.975)
    share, spread = correct / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * sqrt(share * (1 - share) / n + spread / (4 * n))
    low, high = middle - half, middle + half
    return Score(share, n, (low if correct else 0.0, high if correct < n else 1.0))  # exactly, whatever the rounding
