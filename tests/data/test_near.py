"""Near-duplicates, against a comparison of every pair."""

from __future__ import annotations

import time
from collections import Counter
from itertools import pairwise

from reft_lab.data.arithmetic import generate
from reft_lab.data.likeness import masked_words
from reft_lab.data.near import ENOUGH, FEWEST, Near, near_in
from reft_lab.data.problem import Problem
from reft_lab.data.settings import DataConfig
from reft_lab.data.sources import read_sources


def problem(question: str) -> Problem:
    return Problem("q", question, "1", None, "here")


def share(first: Problem, second: Problem) -> float:
    """The Jaccard index of two bags of pairs of words, by counting."""
    a, b = (Counter(pairwise(["^", *masked_words(each), "$"])) for each in (first, second))
    if min(a.total(), b.total()) < FEWEST:
        return float(masked_words(first) == masked_words(second))
    return (a & b).total() / (a | b).total()


def test_it_finds_what_comparing_every_pair_finds():
    train, _, test = generate(250, 1, 120, 0, "mixed", "program")
    near = Near(train)
    found = [near.nearest(each) for each in test]
    assert 10 < sum(each is not None for each in found) < len(test)
    for each, nearest in zip(test, found, strict=True):
        shares = [share(other, each) for other in train]
        best = max(shares)
        assert (nearest is not None) == (best >= ENOUGH)
        assert nearest is None or nearest == (shares.index(best), best)
    assert near_in(test, train) == [each is not None for each in found]
    earlier = {i: max((share(train[j], train[i]) for j in range(i)), default=0) for i in range(len(train))}
    assert {i: found for i, _, found in near.pairs()} == {i: best for i, best in earlier.items() if best >= ENOUGH}


def test_numbers_names_and_a_word_may_differ():
    train = [problem("A train travels 270 miles in 3 hours. At the same rate, how far does it travel in 9 hours?")]
    near = Near(train)
    place, found = near.nearest(
        problem("A plane travels 1200 miles in 3 hours. At the same rate, how far does it travel in 5 hours?")
    )
    assert (place, found) == (
        0,
        share(
            train[0],
            problem("A plane travels 7 miles in 3 hours. At the same rate, how far does it travel in 5 hours?"),
        ),
    )
    assert 0.75 <= found < 1
    assert (
        near.nearest(problem("A boat costs 270 dollars and 3 oars cost 9 dollars. How much do all of them cost?"))
        is None
    )


def test_a_question_of_signs_alone_is_near_to_its_equals_only():
    near = Near([problem("2, 4, 8, ?"), problem("11 : 35 :: 17 : ?")])
    assert near.nearest(problem("5, 7, 9, ?")) == (0, 1.0)
    assert near.nearest(problem("1, 2, 3, 4, 5, ?")) is None


def test_real_data_takes_seconds(shared_data):
    records = []
    for name in ("gsm8k", "mathqa"):
        found = read_sources(DataConfig(name=name, path=str(shared_data / name)), "natural")
        records += [record for split in found.by_split.values() for record in split]
    began = time.process_time()
    pairs = list(Near(records).pairs())
    assert time.process_time() - began < 60 * len(records) / 50_000  # a minute for 50,000
    assert 2000 < len(pairs) < 3000
