"""Option letters are read out of what surrounds them."""

import pytest

from reft_lab.answers import read_letter

OPTIONS = ("24", "120", "625", "720", "none of these")


@pytest.mark.parametrize(
    "text",
    [
        *("c", "C", "(c)", "(C)", "C )", "c ) 625", "c) 625", "c.", "c: 625", "c, 625", "c 625", "<c>", "**c**"),
        *("option c", "Option (C)", "choice: c", "the answer is c", "the correct option is c )", "'c'", '"c"', " c \n"),
    ],
)
def test_reads_the_letter(text: str) -> None:
    assert read_letter(text, OPTIONS) == "c"


@pytest.mark.parametrize(
    "text",
    ["", "625", "f", "z ) 9", "I do not know", "a lot", "can't say", "c'est", "cc", "none", "c 624", "answer", "?"],
)
def test_what_is_no_option_is_none(text: str) -> None:
    assert read_letter(text, OPTIONS) is None


def test_only_letters_of_the_options_count() -> None:
    assert read_letter("d", OPTIONS[:4]) == "d"
    assert read_letter("d", OPTIONS[:3]) is None
    assert read_letter("a", ()) is None


def test_the_option_itself_may_follow_its_letter() -> None:
    assert read_letter("e none of these.", OPTIONS) == "e"
    assert read_letter("e none of them", OPTIONS) is None
