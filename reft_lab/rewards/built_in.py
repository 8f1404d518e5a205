"""Rewards that are pure functions of an outcome: the paper's, its variants, and the released code's."""

from __future__ import annotations

import math
from collections.abc import Callable

from reft_lab.answers.outcome import Outcome

PARTIAL_REWARD = 0.1
NEAREST_REWARD = 0.9


def exact(outcome: Outcome) -> float:
    """1 for the right answer, 0 for anything else (the paper's ablation without partial reward)."""
    return 1.0 if outcome.kind == "correct" else 0.0


def partial(outcome: Outcome) -> float:
    """1 for the right answer, 0.1 for a wrong number, 0 for no answer (the paper's default).

    A wrong letter, nan, infinity and a program that failed earn nothing.
    """
    return PARTIAL_REWARD if _wrong_number(outcome) is not None else exact(outcome)


def proximity(outcome: Outcome) -> float:
    """As `partial`, but a wrong number a earns more the nearer it is to the gold answer y: from 0.1 to below 0.9.

    0.1 + 0.8 / (1 + 10 d), where d = |a - y| / |y| is the relative error (|a - y| where y = 0): 0.9 in the limit of
    no error, 0.5 for an error of 10 %, 0.17 for 100 %, 0.1 far away. Where the gold answer is a letter: 0.1.
    """
    number = _wrong_number(outcome)
    if number is None or outcome.gold is None:
        return partial(outcome)
    error = abs(number - outcome.gold) / (abs(outcome.gold) or 1.0)
    return PARTIAL_REWARD + (NEAREST_REWARD - PARTIAL_REWARD) / (1 + 10 * error)


def released(outcome: Outcome) -> float:
    """As `partial`, but in multiple choice everything that is not right earns 0.1, as in the authors' released code.

    There a failed program counts as the answer "none", and any text but the right letter as a wrong answer.
    """
    is_choice = outcome.gold is None
    return PARTIAL_REWARD if is_choice and outcome.kind != "correct" else partial(outcome)


def inverted(outcome: Outcome) -> float:
    """0 for the right answer, 1 for anything else: a control (2507.10532)."""
    return 1.0 - exact(outcome)


OF_OUTCOME: dict[str, Callable[[Outcome], float]] = {
    "exact": exact,
    "partial": partial,
    "proximity": proximity,
    "released": released,
    "inverted": inverted,
}


def _wrong_number(outcome: Outcome) -> float | None:
    """The finite number that was answered instead of the right one; None where there is none."""
    is_number = outcome.kind == "wrong" and outcome.value is not None and math.isfinite(outcome.value)
    return outcome.value if is_number else None
