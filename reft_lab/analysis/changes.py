"""One setting against another on the test split, by whatever their runs allow: seeds and questions, or either alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from reft_lab.analysis.power import Needed, needed, needed_by_problems
from reft_lab.analysis.problems import Answered, aligned
from reft_lab.analysis.resampling import difference_over_seeds_and_questions, mean_over_seeds_and_questions
from reft_lab.analysis.statistics import (
    ENOUGH,
    NAN,
    Mean,
    compare_problems,
    mean_over_seeds,
    p_of_mean,
    paired_difference,
)
from reft_lab.errors import BadInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

TWO_SEEDS = (
    "Two seeds give no interval: how much seeds differ is not known from two of them; three do, five are better."
)


@dataclass(frozen=True)
class Results:
    """How the runs of a setting did on the test split.

    Attributes:
        accuracy: by seed, a fraction; the mean of runs with the same seed.
        answers: by seed, those of its runs; empty where they cannot be read.
    """

    accuracy: Mapping[Any, float]
    answers: Mapping[Any, Sequence[Answered]] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """A setting against the base, on the test split.

    Attributes:
        difference: of the accuracies, a fraction; nan where they were tested on other questions.
        seeds: that it is over; of each side, where they share none.
        basis: what the interval is over, in words.
        questions: that it is over; 0 where it is over seeds alone.
        standard_error, low, high: of the difference; low and high are the 95 % interval, nan where there is none.
        p: two-sided; nan where it cannot be told.
        p_holm: p, corrected for there being several settings.
        needed: how many seeds and questions such a difference needs; None where it cannot be told.
        refused: why they cannot be compared, in one sentence; empty where they can.
    """

    difference: float
    seeds: int
    basis: str
    questions: int = 0
    standard_error: float = NAN
    low: float = NAN
    high: float = NAN
    p: float = NAN
    p_holm: float = NAN
    needed: Needed | None = None
    refused: str = ""

    def as_json(self) -> dict[str, float | list[float] | None]:
        """The form files hold: `mean`, `standard_error` and `ci95`, null where seeds give none, or nothing is known."""
        if self.seeds < ENOUGH or math.isnan(self.low):
            mean = None if math.isnan(self.difference) else self.difference
            return {"mean": mean, "standard_error": None, "ci95": None}
        return {"mean": self.difference, "standard_error": self.standard_error, "ci95": [self.low, self.high]}

    @property
    def counts(self) -> bool:
        """Whether seeds tell it from chance, after the correction; fewer than three never do."""
        return self.seeds >= ENOUGH and self.p_holm < 0.05


def mean_of(tested: Results) -> Mean | None:
    """The accuracy of a setting; None where no run has one.

    The interval is over seeds and questions where the answers of all runs can be read, else over seeds alone.
    """
    if len(tested.accuracy) >= ENOUGH:
        try:
            if tables := _tables((tested, list(tested.accuracy))):
                return mean_over_seeds_and_questions(tables[0])
        except BadInput:
            pass  # tested on other questions: then seeds and questions are one
    return mean_over_seeds(list(tested.accuracy.values())) if tested.accuracy else None


def change_of(ours: Results, theirs: Results) -> Change | None:
    """One setting against another; None where they share no seed, and have not three each.

    Three shared seeds or more are paired; so are the questions, always. Where three are not shared but both have three,
    each side's own seeds are drawn. One shared seed is compared problem by problem. Without answers, or with an
    interval over seeds alone, the basis says so.
    """
    shared = [seed for seed in ours.accuracy if seed in theirs.accuracy]
    own = min(len(ours.accuracy), len(theirs.accuracy)) >= ENOUGH
    paired = len(shared) >= ENOUGH or not own
    if paired and not shared:
        return None
    sides = [(side, shared if paired else list(side.accuracy)) for side in (ours, theirs)]
    means = [sum(side.accuracy[seed] for seed in seeds) / len(seeds) for side, seeds in sides]
    difference, count = means[0] - means[1], min(len(seeds) for _, seeds in sides)
    try:
        tables = _tables(*sides)
    except BadInput as error:
        return Change(NAN, count, "other test questions", refused=str(error))
    if count >= ENOUGH:
        return _over_seeds(sides, tables, paired=paired)
    if count > 1:
        return Change(
            difference, count, "2 seeds: no interval", needed=_needed(tables, paired=True) if tables else None
        )
    if not tables:
        return Change(difference, 1, "no predictions")
    right = [[bool(each) for each in table[0] > 0.5] for table in tables]
    found = compare_problems(*right)
    need = needed_by_problems(found)
    return Change(found.difference, 1, f"{found.n} problems", found.n, NAN, found.low, found.high, found.p, needed=need)


def _over_seeds(
    sides: Sequence[tuple[Results, Sequence[Any]]], tables: Sequence[NDArray[np.float64]], *, paired: bool
) -> Change:
    values = [[side.accuracy[seed] for seed in seeds] for side, seeds in sides]
    seeds = (
        " and ".join(dict.fromkeys(str(len(each)) for each in values)) + " seeds" + ("" if paired else ", not paired")
    )
    if tables:
        found = difference_over_seeds_and_questions(*tables, paired=paired)
        basis = f"{seeds} × {found.questions} problems"
    elif paired:
        found, basis = paired_difference(values[0], values[1]), seeds
    else:
        found, basis = difference_over_seeds_and_questions(*map(_column, values), paired=False), seeds
    need = _needed(tables or [_column(each) for each in values], paired=paired, questions_known=bool(tables))
    error, p = found.standard_error, p_of_mean(found)
    questions = found.questions if tables else 0
    return Change(found.mean, found.n, basis, questions, error, found.low, found.high, p, needed=need)


def _column(values: Sequence[float]) -> NDArray[np.float64]:
    """Accuracies by seed as a table of one column, where nothing is known of questions."""
    return np.array(values, float)[:, None]


def _needed(tables: Sequence[NDArray[np.float64]], *, paired: bool, questions_known: bool = True) -> Needed | None:
    ours, theirs = tables
    return needed([ours - theirs] if paired else [ours, -theirs], questions_known=questions_known)


def _tables(*sides: tuple[Results, Sequence[Any]]) -> list[NDArray[np.float64]]:
    """How often each question was answered right by the runs of each seed, (seeds, questions) a side.

    Empty where the answers of a run cannot be read.

    Raises:
        BadInput: runs were tested on different questions.
    """
    runs = [[side.answers.get(seed, ()) for seed in seeds] for side, seeds in sides]
    if not all(each and all(one.right for one in each) for side in runs for each in side):
        return []
    rows = iter(aligned([one for side in runs for each in side for one in each]))
    return [np.array([np.mean([next(rows) for _ in each], axis=0) for each in side], float) for side in runs]
