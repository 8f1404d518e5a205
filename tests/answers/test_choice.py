"""A computed number stands for an option."""

import pytest

from reft_lab.answers.compare import judge_number_by_options, option_of
from reft_lab.answers.outcome import Outcome

OPTIONS = ("rs . 24", "1 / 3", "625", "27.7", "20 %", "none of these", "4 π", "x = 9")


@pytest.mark.parametrize(
    ("value", "letter"),
    [
        (24.0, "a"),
        (24.2, "a"),
        (24.3, None),
        (0.3333, "b"),
        (625, "c"),
        (27.675, "d"),
        (20, "e"),
        (0.2, "e"),
        (5, None),
        (0, None),
        (4, None),
        (9, "h"),
    ],
)
def test_a_number_stands_for_the_option_it_is(value: float, letter: str | None) -> None:
    assert option_of(value, OPTIONS) == letter


@pytest.mark.parametrize(
    "option", ["n + 3", "3 : 5", "3 hours 30 min", "3 √ 2", "3 x", "3 pm", "3 ab / 11", "3 , 4", "3 !", "3 - n", "3 ∏"]
)
def test_an_option_that_says_more_than_a_number_is_stood_for_by_none(option: str) -> None:
    assert option_of(3, (option, "5")) is None
    assert option_of(3, (option, "3 km / hr")) == "b"


def test_the_nearest_of_close_options_counts() -> None:
    assert option_of(27.675, ("27.7", "27.68", "27.6")) == "b"
    assert option_of(5, ("5", "5")) == "a"


def test_a_percent_is_a_fraction_only_where_no_option_is_near_as_written() -> None:
    assert option_of(0.2, ("50 %", "20 %", "0.2 %")) == "c"
    assert option_of(0.2, ("50 %", "20 %", "2 %")) == "b"


def test_a_number_that_answers_a_choice_is_judged_by_its_letter() -> None:
    assert judge_number_by_options(625, OPTIONS, "c") == Outcome("correct", answer="c", value=625)
    assert judge_number_by_options(625, OPTIONS, "a") == Outcome("wrong", answer="c", value=625)
    assert judge_number_by_options(77, OPTIONS, "a") == Outcome("wrong", answer="77", value=77)
