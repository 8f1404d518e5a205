"""How often 95 % intervals of the difference of two settings hold the truth, on simulated answers: `python -m
benchmarks.coverage` writes the table of docs/statistics.md.

A response is right where the skill of its run, the ease of its question and luck add up to more than 0, all normal. The
two settings differ by a gain; they share the questions, not what seeds do to them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from scipy import stats

from reft_lab.analysis.resampling import difference_over_seeds_and_questions
from reft_lab.analysis.statistics import Mean, paired_difference

LUCK, OWN, GAIN = 0.7, 0.5, 0.3  # standard deviations of luck, and of a question for one setting alone; the gain
TRIES = 1000
CASES = [(seeds, questions, spread) for seeds in (3, 5, 10) for questions in (100, 500) for spread in (0.0, 0.15, 0.5)]


def answers(random: np.random.Generator, seeds: int, questions: int, spread: float) -> np.ndarray:
    """Whether each question was answered right, (2, seeds, questions)."""
    skill = random.normal(0, spread, (2, seeds, 1)) + np.array([GAIN, 0])[:, None, None]
    ease = random.normal(0, 1, questions) + random.normal(0, OWN, (2, 1, questions))
    return skill + ease + random.normal(0, LUCK, (2, seeds, questions)) > 0


def over_seeds_alone(ours: np.ndarray, theirs: np.ndarray) -> Mean:
    return paired_difference(ours.mean(axis=1).tolist(), theirs.mean(axis=1).tolist())


def percentiles(ours: np.ndarray, theirs: np.ndarray) -> Mean:
    """The percentiles of a bootstrap over seeds and questions."""
    random, (seeds, questions) = np.random.default_rng(0), ours.shape
    rows = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=1000) / seeds @ (ours.astype(float) - theirs)
    drawn = np.take_along_axis(rows, random.integers(questions, size=rows.shape), axis=1).mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Mean(float(ours.mean() - theirs.mean()), seeds, low=low, high=high)


WAYS: dict[str, Callable[[np.ndarray, np.ndarray], Mean]] = {
    "ours": difference_over_seeds_and_questions,
    "percentiles": percentiles,
    "seeds alone": over_seeds_alone,
}


def main(tries: int = TRIES) -> None:
    """Print the table."""
    print(f"| seeds | questions | sd over seeds, points | {' | '.join(WAYS)} |\n|{'---|' * (3 + len(WAYS))}")
    for seeds, questions, spread in CASES:
        random = np.random.default_rng(0)
        whole = np.sqrt(spread**2 + 1 + OWN**2 + LUCK**2)
        truth = stats.norm.cdf(GAIN / whole) - 0.5
        held, ends = dict.fromkeys(WAYS, 0), []
        for _ in range(tries):
            ours, theirs = answers(random, seeds, questions, spread)
            ends.append(100 * float(theirs.mean(axis=1).std(ddof=1)))
            for name, way in WAYS.items():
                found = way(ours, theirs)
                held[name] += found.low <= truth <= found.high
        cells = " | ".join(f"{100 * count / tries:.0f}" for count in held.values())
        print(f"| {seeds} | {questions} | {np.mean(ends):.1f} | {cells} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
