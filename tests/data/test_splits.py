"""Splits and subsets depend on the questions and the seed alone, and no family is in two splits."""

import random

import pytest

from reft_lab.data.likeness import Seen, asked, families
from reft_lab.data.problem import Problem
from reft_lab.data.splits import carve, subset, without


def problem(number, options=()):
    question = f"What is {number} and 1?" + ("\na ) 1 , b ) 2" if options else "")
    return Problem(f"p{number}", question, "1", None, "made up", options)


def family(thing, size):
    return [Problem(f"{thing}{n}", f"There are {n} {thing}s.", "1", None, "made up") for n in range(size)]


PROBLEMS = [problem(number) for number in range(200)]
LETTERS = [a + b for a in "bcdfghklmn" for b in "aeiouy"]
FAMILIES = [item for place, thing in enumerate(LETTERS) for item in family(thing, 1 + place % 7)]


def test_carving_takes_each_question_once_and_leaves_no_copy():
    copies = [Problem("c", item.question.upper().replace("?", " ?"), "1", None, "made up") for item in PROBLEMS[:50]]
    items = PROBLEMS + copies
    rest, carved, left_out = carve(items, 40, 0, "dev", "normalised")
    assert len(carved) == len({asked(item) for item in carved}) == 40
    assert not set(families(rest, "normalised")) & set(families(carved, "normalised"))
    assert len(rest) + len(carved) + left_out == len(items)
    assert left_out > 0


def test_a_family_goes_to_one_side_whole():
    rest, carved, left_out = carve(FAMILIES, 40, 0, "dev", "masked")
    assert (len(carved), left_out) == (40, 0)
    assert len(rest) == len(FAMILIES) - 40
    assert not set(families(rest, "masked")) & set(families(carved, "masked"))
    assert len(set(families(carved, "masked"))) < 40  # some have several questions


def test_a_family_that_is_too_large_is_cut_where_it_may_be_and_stays_whole_where_not():
    four = [item for thing in ("pen", "cup", "hat", "nut") for item in family(thing, 25)]
    rest, carved, left_out = carve(four, 20, 0, "dev", "masked", cut=25)
    assert (len(rest), len(carved), left_out) == (75, 20, 5)
    assert not set(families(rest, "masked")) & set(families(carved, "masked"))
    assert carve(four, 20, 0, "dev", "masked", cut=24) == (four, [], 0)


@pytest.mark.parametrize("likeness", ["exact", "normalised", "masked"])
def test_carving_does_not_depend_on_order_but_on_seed_and_name(likeness):
    copies = [Problem("c", item.question.replace(".", " ."), "1", None, "made up") for item in FAMILIES[:50]]
    items = FAMILIES + copies
    shuffled = items.copy()
    random.Random(1).shuffle(shuffled)

    def questions(items, seed=0, name="dev"):
        return {item.question for item in carve(items, 40, seed, name, likeness)[1]}

    assert questions(items) == questions(shuffled)
    assert questions(items) != questions(items, seed=1)
    assert questions(items) != questions(items, name="test")
    assert len(questions(items) & questions(items[20:])) > 25


def test_subsets_are_nested_and_in_order():
    ids = {size: [item.id for item in subset(PROBLEMS, size, 3, "train")] for size in (10, 50, 200, 999)}
    assert len(ids[10]) == 10
    assert set(ids[10]) < set(ids[50])
    assert ids[50] == [item.id for item in PROBLEMS if item.id in set(ids[50])]
    assert ids[200] == ids[999] == [item.id for item in subset(PROBLEMS, None, 3, "train")]
    assert ids[50] != [item.id for item in subset(PROBLEMS, 50, 4, "train")]
    assert ids[50] != [item.id for item in PROBLEMS[:50]]


@pytest.mark.parametrize("other", ["  what is 3   AND 1? ", "What is 3\nand 1?"])
def test_exactly_equal_questions_differ_in_spaces_and_case_only(other):
    variant = Problem("v", other, "1", None, "made up")
    assert Seen([PROBLEMS[3]]).holds(variant, "exact")
    assert without(PROBLEMS, [variant], "exact") == PROBLEMS[:3] + PROBLEMS[4:]


def test_copies_are_taken_out_in_the_degree_asked_for():
    variant = Problem("v", "what is 3.0 and 1 ?", "1", None, "made up")
    assert without(PROBLEMS, [variant], "exact") == PROBLEMS
    assert without(PROBLEMS, [variant], "normalised") == PROBLEMS[:3] + PROBLEMS[4:]
    assert without(PROBLEMS, [variant], "masked") == []


def test_options_are_no_part_of_what_is_asked():
    assert asked(problem(3, options=("1", "2"))) == asked(PROBLEMS[3])
