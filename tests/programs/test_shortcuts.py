"""Programs that give an answer without working it out from the question."""

from __future__ import annotations

import textwrap

import pytest

from reft_lab.cot.slots import slot_question
from reft_lab.data.arithmetic import generate
from reft_lab.programs.shortcuts import shortcut

QUESTION = "Tom has 12 apples and buys 30. How many apples does he have?"


def found(body: str, question: str = QUESTION, header: str = "def solution():") -> str | None:
    program = f"{header}\n{textwrap.indent(body, '    ')}\n"
    return shortcut(program, question, slot_question(question).numbers)


@pytest.mark.parametrize(
    "body",
    [
        "return 42",
        "return int(42.0)",
        "apples = 12\nbought = 30\ntotal = 42\nreturn total",
        "total = 42\nresult = total\nreturn float(result) + 0",
        "return -42",
        "return 'c'",
    ],
)
def test_a_literal_is_an_answer_written_down(body):
    assert found(body) == "written_down"


@pytest.mark.parametrize(
    "body", ["return 40 + 2", "a = 12\nb = 40\nreturn b + 2", "n = 0\nfor i in range(42):\n    n += 1\nreturn n"]
)
def test_a_result_that_depends_on_no_number_of_the_question_ignores_them(body):
    assert found(body) == "ignores_numbers"


@pytest.mark.parametrize(
    ("body", "question"),
    [
        ("a = 12\nb = 30\nc = a + b\nreturn c", QUESTION),
        ("return 12", QUESTION),  # a number of the question may be the answer
        ("n = 40\nn += 2\nif n > 30:\n    n = 42\nreturn n", QUESTION),
        ("def add(a):\n    return a + 30\nreturn add(2)", QUESTION),
        ("total = []\ntotal.append(12)\nreturn sum(total)", QUESTION),
        ("return 50 * 0.8", "A coat of some dollars is 20% off. What is it?"),
        ("return 7 * 3", "Three cats have how many legs?"),
        ("return 42", "How many are there?"),  # there is nothing to use
        ("return (", QUESTION),
    ],
)
def test_doubt_is_for_the_program(body, question):
    assert found(body, question) is None


def test_slots_are_numbers_of_the_question():
    header = "def solution(x0=12, x1=30):"
    assert found("return x0 + x1", header=header) is None
    assert found("return 42", header=header) == "written_down"
    assert found("return 40 + 2", header=header) == "ignores_numbers"


def test_no_gold_program_of_the_embedded_data_is_a_shortcut():
    problems, _, _ = generate(300, 1, 1, 0, "mixed", "program")
    assert [p.cot for p in problems if shortcut(p.cot, p.question, slot_question(p.question).numbers)] == []
