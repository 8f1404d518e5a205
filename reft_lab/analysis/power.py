"""How many questions and seeds a difference needs, to be told from none in four of five tries.

With 80 % power at the two-sided 5 % level, and if the true difference is as large as the one seen, which it may not be:
this is for planning the next experiment, and says nothing on how sure this one is. Formulas after 2411.00640, with the
variance over seeds beside that over questions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reft_lab.analysis.statistics import ENOUGH, NAN, ProblemComparison
from reft_lab.evaluation.score import LEVEL

if TYPE_CHECKING:
    from numpy.typing import NDArray

POWER = 0.8
MOST = 10_000_000  # questions or seeds; what needs more has no answer


@dataclass(frozen=True)
class Spread:
    """Where the error of a difference comes from: variances of a single difference of two answers.

    Attributes:
        seeds: from the seeds; nan where there are fewer than three.
        questions: from the questions.
        rest: from single answers, which is what neither explains.
    """

    seeds: float
    questions: float
    rest: float

    @classmethod
    def of(cls, tables: Sequence[NDArray[np.float64]]) -> Spread:
        """From tables of differences, (S, Q), by the analysis of variance (method of moments).

        Args:
            tables: one of paired differences; or two with rows of their own, the second with its sign turned. Q = 1
                where nothing is known of questions.
        """
        seeds, rest, rest_of_mean = 0.0, 0.0, 0.0
        for table in tables:
            count, questions = table.shape
            left = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
            single = float((left**2).sum()) / ((count - 1) * (questions - 1)) if count > 1 and questions > 1 else 0.0
            rest, rest_of_mean = rest + single, rest_of_mean + single / count
            enough = count >= ENOUGH
            seeds += max(0.0, float(table.mean(axis=1).var(ddof=1)) - single / questions) if enough else NAN
        columns = np.sum([table.mean(axis=0) for table in tables], axis=0)
        of_questions = float(columns.var(ddof=1)) if len(columns) > 1 else 0.0
        if not math.isnan(seeds):  # else seeds are taken as they are, and all that is left is of questions
            of_questions -= rest_of_mean
        return cls(seeds, max(0.0, of_questions), rest)

    def power(self, difference: float, seeds: float, questions: float) -> float:
        """The chance that a difference of this size is told from 0 with so many seeds and questions (noncentral t).

        Args:
            difference: true one, not 0.
            seeds: of each setting; 1 where the variance of seeds is not known, and is then left out.
            questions: how many; infinity: all there are.
        """
        from statsmodels.stats.power import ttest_power

        parts = [(self.questions / questions, questions - 1)]
        if not math.isnan(self.seeds):
            parts.append(((self.seeds + self.rest / questions) / seeds, seeds - 1))
        variance = sum(part for part, _ in parts)
        if variance == 0:
            return 1.0
        weights = sum(part**2 / degrees for part, degrees in parts if degrees > 0)
        degrees = min(variance**2 / weights, 1e6) if weights else 1e6  # Satterthwaite; beyond, it is the normal
        effect = abs(difference) / math.sqrt(variance)
        return 1.0 if effect > 30 else float(ttest_power(effect, nobs=1, alpha=1 - LEVEL, df=degrees))


@dataclass(frozen=True)
class Needed:
    """What a difference as large as the one seen needs.

    Attributes:
        questions: with as many seeds as there are; None where no number is enough, or none is known.
        seeds: of each setting, with as many questions as there are; None likewise.
        has_questions, has_seeds: how many there are; 0 questions where nothing is known of them.
        known_seeds: whether there are seeds enough to say how much they vary.
    """

    questions: int | None
    seeds: int | None
    has_questions: int
    has_seeds: int
    known_seeds: bool

    @property
    def short(self) -> str:
        """For a cell of a table: `7 seeds or 1,900 questions`; empty where nothing can be said."""
        parts = [f"{_about(self.seeds)} seeds" if self.seeds else ""]
        parts.append(f"{_about(self.questions)} questions" if self.questions else "")
        said = " or ".join(filter(None, parts))
        return said or ("more of both" if self.known_seeds else "")

    def __str__(self) -> str:
        """One sentence."""
        begin = "To be told from none in four of five tries, a difference of this size would need about "
        if self.known_seeds:
            parts = [f"{_about(self.seeds)} seeds" + self._on() if self.seeds else ""]
            if self.questions:
                parts.append(f"{_about(self.questions)} questions with {self.has_seeds} seeds")
            said = ", or ".join(filter(None, parts))
            if said:
                return f"{begin}{said}."
            return "More seeds alone, or more questions alone, would not tell a difference of this size from none."
        unknown = "fewer than three seeds cannot say how many seeds"
        if not self.questions:
            return f"How many questions and seeds the difference would need is not known: {unknown}."
        return f"{begin}{_about(self.questions)} questions, and there are {self.has_questions:,}; {unknown}."

    def _on(self) -> str:
        return f" on {self.has_questions:,} questions" if self.has_questions else ""


def needed(tables: Sequence[NDArray[np.float64]], *, questions_known: bool = True) -> Needed | None:
    """What the difference in these tables needs; None where there is none.

    Args:
        tables: as for `Spread.of`.
        questions_known: whether columns are questions.
    """
    difference = float(sum(table.mean() for table in tables))
    if difference == 0:
        return None
    seeds, questions = min(map(len, tables)), tables[0].shape[1]
    spread, known_seeds = Spread.of(tables), seeds >= ENOUGH
    return Needed(
        _least(lambda n: spread.power(difference, seeds, n), 2) if questions_known else None,
        _least(lambda n: spread.power(difference, n, questions), ENOUGH) if known_seeds else None,
        questions if questions_known else 0,
        seeds,
        known_seeds,
    )


def needed_by_problems(found: ProblemComparison) -> Needed | None:
    """What the difference of two runs on the same problems needs; None where there is none."""
    same = found.both + found.neither
    each = np.repeat([1.0, -1.0, 0.0], [found.only_ours, found.only_theirs, same])
    return needed([each[None]])


def _least(power: Callable[[float], float], first: int) -> int | None:
    """The least number with enough power, which grows with it; None where there is none."""
    if power(MOST) < POWER:
        return None
    low, high = first - 1, first
    while power(high) < POWER:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high


def _about(number: int) -> str:
    """With two digits that count: 1,900."""
    digits = max(0, len(str(number)) - 2)
    return f"{round(number, -digits):,}"
