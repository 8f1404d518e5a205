"""A policy asked with the options of multiple choice in another order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.data import Problem
from reft_lab.data.options import split_question
from reft_lab.errors import BadInput
from reft_lab.programs import ProgramRunner
from reft_lab.runner.setup import prepare
from reft_lab.runner.shuffle import rotated, shuffle_test
from reft_lab.tracking.display import Silence

LETTERS = "abcde"


def record(number: int, last: str = "19") -> dict[str, str]:
    options = " , ".join(f"{letter} ) {number + place}" for place, letter in enumerate("abcd")) + f" , e ) {last}"
    return {
        "Problem": f"what is {number} apples and {number + 3} more ?",
        "Rationale": f"it is {number} plus {number + 3} in all . answer : b",
        "options": options,
        "correct": "b",
        "linear_formula": f"add({number},{number + 3})|",
    }


def test_every_option_gets_another_letter_and_the_right_one_stays_right():
    options = ("10", "12", "14", "16", "18")
    text = "what is twice 6 ?\n" + " , ".join(f"{a} ) {b}" for a, b in zip(LETTERS, options, strict=True))
    moves = set()
    for number in range(40):
        problem = Problem(f"p{number}", text, "b", None, "here", options)
        moved = rotated(problem, seed=0)
        assert moved == rotated(problem, seed=0)
        assert split_question(moved.question) == ("what is twice 6 ?", moved.options)
        assert sorted(moved.options) == sorted(options)
        assert all(a != b for a, b in zip(options, moved.options, strict=True))
        assert moved.options[LETTERS.index(moved.answer)] == "12"
        moves.add(moved.answer)
    assert moves == set("acde")


def test_a_policy_is_asked_both_ways(tmp_path: Path):
    for split, numbers in (("train", range(10, 60)), ("test", range(60, 80))):
        records = [record(number, "both a and b" if number % 4 == 0 else "19") for number in numbers]
        (tmp_path / f"{split}.json").write_text(json.dumps(records))
    words = ("data=mathqa", "cot=natural", f"data.path={tmp_path}", "ppo.max_new_tokens=8", "model.scratch.layers=1")
    config = check(compose(*words))
    with ProgramRunner(config.programs) as programs:
        found = shuffle_test(prepare(config, programs), "rl", Silence(), 200)
    assert found.numbers["problems"] == 15  # five have an option that means others by their place
    before, after = found.numbers["before"], found.numbers["after"]
    assert found.numbers["difference"] == pytest.approx(after["accuracy"] - before["accuracy"])
    assert not found.stands_out  # a policy without training has nothing to lose
    with ProgramRunner(config.programs) as programs, pytest.raises(BadInput, match="is not multiple choice"):
        shuffle_test(prepare(check(compose("debug=quick")), programs), "rl", Silence(), 10)
