"""Option letters are read out of what surrounds them."""

import pytest

from reft_lab.answers.letters import read_letter

OPTIONS = ("24", "120", "625", "720", "none of these")


@pytest.mark.parametrize(
    "text",
    [
        *("c", "C", "(c)", "(C)", "C )", "c ) 625", "c) 625", "c.", "c: 625", "c, 625", "c 625", "<c>", "**c**"),
        *("option c", "Option (C)", "choice: c", "the answer is c", "the correct option is c )", "'c'", '"c"', " c \n"),
        *(r"\boxed{C}", r"\boxed{\text{C}}", r"$\mathrm{C}$", r"\(\boxed{\textbf{(C) }625}\)", "_c_", "`c`", "“c”"),
        *("ans: c", "Ans. c", "answer : c", "the final answer is c", "The final answer is: (c)", "answer is (c)"),
        *("so the answer is c", "it is c", "option (c) is correct", "c, because b is wrong", "c ) 625 is right"),
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


@pytest.mark.parametrize(
    "text",
    [
        *("b, c", "b or c", "a and c", "both a and b", "either b or c", "b/c", "b & c", "(b) or (c)", "b), c)", "b; c"),
        *(
            "b c",
            "neither b nor c",
            "not c",
            r"\boxed{b, c}",
            r"\boxed{b} or \boxed{c}",
            "options b and c",
            "b), option c)",
        ),
    ],
)
def test_two_letters_are_no_choice(text: str) -> None:
    assert read_letter(text, OPTIONS) is None


def test_letters_in_an_options_own_words_are_no_second_choice() -> None:
    options = ("1", "2", "both a and b", "a or b")
    assert read_letter("c ) both a and b", options) == "c"
    assert read_letter("d ) a or b", options) == "d"


def test_only_letters_of_the_options_count() -> None:
    assert read_letter("d", OPTIONS[:4]) == "d"
    assert read_letter("d", OPTIONS[:3]) is None
    assert read_letter("a", ()) is None


def test_the_option_itself_may_follow_its_letter() -> None:
    assert read_letter("e none of these.", OPTIONS) == "e"
    assert read_letter("e none of them", OPTIONS) is None


def test_the_options_said_over_again_are_no_choice() -> None:
    options = ("24", "120")
    assert read_letter("a ) 24 , b ) 120", options) is None
    assert read_letter("(A) 24 (B) 120", options) is None
    assert read_letter("a ) 24, because b ) is too much", options) == "a"
    assert read_letter("b because 5 * 24 = 120", options) == "b"
    assert read_letter("a is 24", options) == "a"
    assert read_letter("a is 25", options) is None
