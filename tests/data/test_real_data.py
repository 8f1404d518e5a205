"""The real data sets, in the mix of formats they come in."""

import json
import re
import time

import pytest

from reft_lab.data import Problem
from reft_lab.data.splits import carve
from tests.real_data import REAL, loaded

__all__ = ["loaded"]


def kept_share(report):
    return report.kept / (report.kept + sum(report.dropped.values()))


def test_gsm8k_programs(loaded):
    splits, seconds = loaded("gsm8k", "program")
    assert kept_share(splits.report) >= 0.92
    assert (len(splits.dev), len(splits.test)) == (200, 1319)
    assert len(splits.train) + len(splits.dev) + sum(splits.report.dropped.values()) == 7473
    assert seconds < 30


def test_mathqa_numeric_programs(loaded):
    splits, _ = loaded("mathqa_numeric", "program")
    assert kept_share(splits.report) >= 0.60
    assert splits.report.kept + sum(splits.report.dropped.values()) > 3900


def test_mathqa_choice(loaded):
    splits, _ = loaded("mathqa", "natural")
    assert len(splits.test) == 1605
    assert all(len(p.options) == 5 and p.answer in "abcde" for p in splits.train + splits.dev + splits.test)
    assert kept_share(splits.report) > 0.99


@pytest.mark.parametrize(("cot", "total"), [("program", 3043), ("natural", 3076)])
def test_svamp(loaded, cot, total):
    splits, _ = loaded("svamp", cot)
    assert len(splits.test) == 1000
    assert splits.report.kept >= total - 200 - 35  # dev, and copies of dev's questions
    assert all(p.cot.startswith("def solution():\n") == (cot == "program") for p in splits.train)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("cot", ["natural", "program"])
def test_every_split_is_sound(loaded, name, cot):
    splits, _ = loaded(name, cot)
    problems = splits.train + splits.dev + splits.test
    assert len({p.id for p in problems}) == len(problems)
    assert not {p.question for p in splits.train} & {p.question for p in splits.dev}
    for problem in problems:
        assert problem.is_choice or re.fullmatch(r"-?\d+(\.\d*[1-9])?", problem.answer)
    assert all(
        "<<" not in p.cot and p.cot.endswith(f"\nTherefore, the answer is: {p.answer}")
        for p in splits.train
        if cot == "natural"
    )
    assert splits.report.broken == []


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("cot", ["natural", "program"])
def test_dev_shares_no_family_with_train(loaded, name, cot):
    """Of 200 dev questions of SVAMP 60 once stood in train, but for blanks and `27.0` for `27`."""
    splits, _ = loaded(name, cot)
    assert len(splits.dev) == 200
    for likeness in ("exact", "normalised", "masked"):
        assert splits.report.duplicates[likeness]["train/dev"] == 0
    written_alike = {re.sub(r"[^a-z0-9]|\.0+\b", "", p.question.lower()) for p in splits.train}  # counted another way
    assert not any(re.sub(r"[^a-z0-9]|\.0+\b", "", p.question.lower()) in written_alike for p in splits.dev)


@pytest.mark.parametrize(
    ("name", "within_train", "within_test", "across"),
    [
        ("svamp", (8, 375, 938), (0, 0, 4), (0, 0, 0)),
        ("gsm8k", (0, 0, 6), (0, 0, 0), (0, 0, 1)),
        ("mathqa", (0, 17, 1106), (0, 5, 268), (0, 6, 660)),
    ],
)
def test_duplicates_are_as_measured(loaded, name, within_train, within_test, across):
    """Copies within SVAMP's training file; test questions of MathQA that the training file asks with other numbers."""
    found = loaded(name, "natural")[0].report.duplicates
    places = {"train": within_train, "test": within_test, "train/test": across}
    assert {place: tuple(found[likeness][place] for likeness in found) for place in places} == places


def test_families_of_20000_problems_are_found_at_once(shared_data):
    text = (shared_data / "gsm8k" / "train.jsonl").read_text()
    questions = [json.loads(line)["question"] for line in text.splitlines()][:5000]
    problems = [Problem("p", f"{question} {n}", "1", None, "x") for question in questions for n in range(4)]
    started = time.process_time()
    _, carved, _ = carve(problems, 200, 0, "dev", "masked")
    assert len(carved) == 200
    assert time.process_time() - started < 6  # 1.5 s on a machine with nothing else to do


def test_dev_is_much_the_same_for_words_and_programs(loaded):
    words, programs = ({p.question for p in loaded("svamp", cot)[0].dev} for cot in ("natural", "program"))
    assert len(words & programs) > 180
