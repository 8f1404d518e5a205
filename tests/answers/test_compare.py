"""When an answer counts as right."""

import math

import pytest

from reft_lab.answers.compare import judge_letter, judge_number, numbers_match
from reft_lab.answers.outcome import Outcome


@pytest.mark.parametrize("paper_tolerance", [False, True])
@pytest.mark.parametrize(
    ("value", "gold", "right"),
    [
        (18.0, 18, True),
        (18.01, 18, True),
        (17.99, 18, True),
        (18.0101, 18, False),
        (1.01, 1, True),
        (1_000_000.01, 1_000_000, True),
        (1_000_000.02, 1_000_000, False),
        (-18.005, -18, True),
        (18, -18, False),
        (1e14 + 1, 1e14, False),
        (math.nan, 18, False),
        (math.inf, 18, False),
        (math.inf, math.inf, False),
        (18, math.nan, False),
    ],
)
def test_a_hundredth_is_allowed(value: float, gold: float, right: bool, paper_tolerance: bool) -> None:
    assert numbers_match(value, gold, paper_tolerance) is right


@pytest.mark.parametrize(
    ("value", "gold", "right", "right_in_the_paper"),
    [
        (0, 0.01, False, True),
        (0.005, 0.01, False, True),
        (0.0101, 0.01, True, True),
        (0.25, 0.25, True, True),
        (0.2525, 0.25, True, True),
        (0.253, 0.25, False, True),
        (-0.253, -0.25, False, True),
        (0.27, 0.25, False, False),
        (1e-15, 0, True, True),
        (0.009, 0, False, True),
        (0.991, 1, True, True),
        (0.1 + 0.2, 0.3, True, True),
    ],
)
def test_below_one_the_tolerance_shrinks_with_the_answer(
    value: float, gold: float, right: bool, right_in_the_paper: bool
) -> None:
    assert numbers_match(value, gold) is right
    assert numbers_match(value, gold, paper_tolerance=True) is right_in_the_paper


def test_a_judged_number_keeps_what_a_reward_needs() -> None:
    assert judge_number(18.004, 18, False) == Outcome("correct", answer="18.004", value=18.004, gold=18)
    assert judge_number(17.0, 18, False) == Outcome("wrong", answer="17", value=17.0, gold=18)


def test_letters_compare_without_case_and_carry_no_number() -> None:
    assert judge_letter("C", "c") == Outcome("correct", answer="c")
    assert judge_letter("c", "C ") == Outcome("correct", answer="c")
    assert judge_letter("b", "c") == Outcome("wrong", answer="b")
