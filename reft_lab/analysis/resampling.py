"""Seeds and questions resampled together: what other seeds and other questions would have given.

The answers of S runs, which differ in the seed alone, to the same Q questions are a table of S rows and Q columns. Its
mean is the accuracy; its error comes from the seeds, from the questions, and from single answers. A resample draws rows
and columns with replacement, each apart, and takes the mean of what it drew: the bootstrap of a crossed design (the
pigeonhole bootstrap; Owen, 2007, Annals of Applied Statistics 1(2)). The standard deviation of these means is the
standard error; the interval is by Student's t around the mean (`statistics.interval_around`), because the percentiles
of a few seeds cannot reach beyond the best and the worst of them: those of three cover three times in four. Measured
coverage is in docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from reft_lab.analysis.statistics import DIFFERENCES, ENOUGH, SHARES, Bounds, Mean, interval_around
from reft_lab.randomness import generator

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2_000  # the standard error is exact to 1.6 %
BATCH = 500  # resamples in memory at a time


def mean_over_seeds_and_questions(right: ArrayLike, *, seed: int = 0) -> Mean:
    """The accuracy of a setting, and its 95 % interval over other seeds and other questions.

    Args:
        right: whether (or how often) each question was answered right, (S, Q), S >= 3 for an interval.
        seed: of the resampling; the same seed gives the same interval.
    """
    return _mean([np.asarray(right, float)], SHARES, seed)


def difference_over_seeds_and_questions(
    ours: ArrayLike, theirs: ArrayLike, *, paired: bool = True, seed: int = 0
) -> Mean:
    """The accuracy of one setting minus that of another, and its 95 % interval over other seeds and other questions.

    Both are always asked the questions that a resample drew.

    Args:
        ours, theirs: whether each question was answered right, (S, Q), columns in the same order.
        paired: whether row i of both is of the same seed; a resample then draws it for both. Otherwise each draws seeds
            of its own, and may have another number of them.
        seed: of the resampling.

    Raises:
        ValueError: the shapes do not fit.
    """
    first, second = np.asarray(ours, float), np.asarray(theirs, float)
    if first.shape[1] != second.shape[1] or (paired and len(first) != len(second)):
        raise ValueError(f"tables of {first.shape} and {second.shape} answers cannot be compared")
    return _mean([first - second] if paired else [first, -second], DIFFERENCES, seed)


def _mean(tables: Sequence[NDArray[np.float64]], bounds: Bounds, seed: int) -> Mean:
    """The mean of the sum of tables that share their columns and each have rows of their own."""
    mean = float(sum(table.mean() for table in tables))
    seeds, questions = min(map(len, tables)), tables[0].shape[1]
    if seeds < ENOUGH:
        return Mean(mean, seeds, bounds=bounds, questions=questions)
    error, degrees = standard_error(tables, seed), _degrees(tables)
    if error == 0 and bounds == SHARES and mean in (0.0, 1.0):  # all right, or all wrong: no spread, but no certainty
        from reft_lab.evaluation.score import score

        low, high = score(round(mean * questions), questions).ci95
    else:
        low, high = map(float, interval_around(mean, error, degrees, bounds))
    return Mean(mean, seeds, error, low, high, degrees, bounds, questions)


def standard_error(tables: Sequence[NDArray[np.float64]], seed: int = 0, resamples: int = RESAMPLES) -> float:
    """The standard deviation, over resamples, of the mean of the sum of tables that share their columns.

    Of S rows S - 1 are drawn, so that the variance over seeds is the unbiased one, s² / S; of columns as many as there
    are, of which there are hundreds.

    Args:
        tables: (S_i, Q) each, S_i >= 2.
        seed: of the draws.
        resamples: how many.
    """
    random = generator(seed, "seeds and questions")
    questions = tables[0].shape[1]
    means = []
    for _ in range(0, resamples, BATCH):
        rows = np.zeros((BATCH, questions))
        for table in tables:
            drawn = len(table) - 1
            rows += random.multinomial(drawn, np.full(len(table), 1 / len(table)), size=BATCH) / drawn @ table
        columns = random.integers(questions, size=(BATCH, questions))
        means.append(np.take_along_axis(rows, columns, axis=1).mean(axis=1))
    return float(np.std(np.concatenate(means)))


def _degrees(tables: Sequence[NDArray[np.float64]]) -> float:
    """Degrees of freedom of the standard error (Satterthwaite, 1946): of the seeds where they vary, else more."""
    parts = [(float(table.mean(axis=1).var(ddof=1)) / len(table), len(table) - 1) for table in tables]
    questions = tables[0].shape[1]
    if questions > 1:
        columns = np.sum([table.mean(axis=0) for table in tables], axis=0)
        parts.append((float(columns.var(ddof=1)) / questions, questions - 1))
    total = sum(variance for variance, _ in parts)
    if total == 0:
        return float(min(degrees for _, degrees in parts))
    return total**2 / sum(variance**2 / degrees for variance, degrees in parts)
