"""Splits and subsets depend on the questions and the seed alone."""

import random

import pytest

from reft_lab.data.problem import Problem
from reft_lab.data.splits import asked, carve, shared, subset, without


def problem(number, options=()):
    question = f"What is {number} and 1?" + ("\na ) 1 , b ) 2" if options else "")
    return Problem(f"p{number}", question, "1", None, "made up", options)


PROBLEMS = [problem(number) for number in range(200)]


def test_carving_takes_each_question_once_and_leaves_no_copy():
    items = PROBLEMS + PROBLEMS[:50]
    rest, carved, copies = carve(items, 40, 0, "dev")
    assert len(carved) == len({asked(item) for item in carved}) == 40
    assert not {asked(item) for item in rest} & {asked(item) for item in carved}
    assert len(rest) + len(carved) + copies == len(items)


def test_carving_does_not_depend_on_order_but_on_seed_and_name():
    shuffled = PROBLEMS.copy()
    random.Random(1).shuffle(shuffled)

    def questions(items, seed=0, name="dev"):
        return {asked(item) for item in carve(items, 40, seed, name)[1]}

    assert questions(PROBLEMS) == questions(shuffled)
    assert questions(PROBLEMS) != questions(PROBLEMS, seed=1)
    assert questions(PROBLEMS) != questions(PROBLEMS, name="test")
    assert len(questions(PROBLEMS) & questions(PROBLEMS[20:])) > 30


def test_subsets_are_nested_and_in_order():
    ids = {size: [item.id for item in subset(PROBLEMS, size, 3, "train")] for size in (10, 50, 200, 999)}
    assert len(ids[10]) == 10
    assert set(ids[10]) < set(ids[50])
    assert ids[50] == [item.id for item in PROBLEMS if item.id in set(ids[50])]
    assert ids[200] == ids[999] == [item.id for item in subset(PROBLEMS, None, 3, "train")]
    assert ids[50] != [item.id for item in subset(PROBLEMS, 50, 4, "train")]
    assert ids[50] != [item.id for item in PROBLEMS[:50]]


@pytest.mark.parametrize("other", ["  what is 3   AND 1? ", "What is 3\nand 1?"])
def test_equal_questions_differ_in_spaces_and_case_only(other):
    variant = Problem("v", other, "1", None, "made up")
    assert shared([PROBLEMS[3]], [variant]) == 1
    assert without(PROBLEMS, [variant]) == PROBLEMS[:3] + PROBLEMS[4:]


def test_options_are_no_part_of_what_is_asked():
    assert asked(problem(3, options=("1", "2"))) == asked(PROBLEMS[3])
