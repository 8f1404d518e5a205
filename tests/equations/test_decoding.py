"""pass@k, votes and reranking against trying every choice of k samples."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, permutations

import numpy as np
import pytest

from reft_lab.equations.decoding import NO_VOTE, pass_at_k, rerank_at_k, vote, vote_at_k

N = 7


@pytest.fixture(params=range(6))
def drawn(request: pytest.FixtureRequest) -> tuple[list[int], list[bool], list[float]]:
    """Answers, whether they are right, and scores with ties, of seven samples."""
    dice = np.random.default_rng(request.param)
    answers = dice.integers(NO_VOTE, 3, N).tolist()
    right = [answer == 1 for answer in answers]
    return answers, right, dice.integers(0, 4, N).tolist()


@pytest.mark.parametrize("k", range(1, N + 1))
def test_pass_at_k_is_the_share_of_choices_with_a_right_one(drawn, k):
    _, right, _ = drawn
    tried = [any(right[i] for i in chosen) for chosen in combinations(range(N), k)]
    assert pass_at_k(N, sum(right), k) == pytest.approx(np.mean(tried), abs=1e-12)


@pytest.mark.parametrize("k", range(1, N + 1))
def test_reranking_takes_the_best_of_every_choice(drawn, k):
    """Of equal scores the first seen counts, whatever the order in which the samples came."""
    _, right, scores = drawn
    tried = []
    for chosen in combinations(range(N), k):
        best = max(scores[i] for i in chosen)
        tied = [right[i] for i in chosen if scores[i] == best]
        tried.append(sum(tied) / len(tied))
    assert rerank_at_k(scores, right, k) == pytest.approx(np.mean(tried), abs=1e-12)


def test_equal_scores_are_shared_as_over_all_orders():
    scores, right = [0.5, 0.5, 0.1], [True, False, True]
    first_seen = []
    for order in permutations(range(3)):
        chosen = order[:2]
        first_seen.append(right[max(chosen, key=lambda i: scores[i])])
    assert rerank_at_k(scores, right, 2) == pytest.approx(np.mean(first_seen), abs=1e-12)


def literal_vote(answers):
    """Count, and look for the first one that is as frequent as any."""
    counts = Counter(answer for answer in answers if answer != NO_VOTE)
    for place, answer in enumerate(answers):
        if answer != NO_VOTE and counts[answer] == max(counts.values()):
            return place
    return None


@pytest.mark.parametrize("k", range(1, N + 1))
def test_votes_are_taken_in_every_choice(drawn, k):
    answers, right, _ = drawn
    choices = list(combinations(range(N), k))
    tried = []
    for chosen in choices:
        place = literal_vote([answers[i] for i in chosen])
        tried.append(place is not None and right[chosen[place]])
    # All choices there are in place of random ones; the rest of an order does not matter.
    orders = np.array([[*dice_first(chosen), *(i for i in range(N) if i not in chosen)] for chosen in choices])
    assert vote_at_k(answers, right, k, orders) == pytest.approx(np.mean(tried), abs=1e-12)


def dice_first(chosen):
    """A choice in another order than the samples have."""
    return np.random.default_rng(sum(chosen)).permutation(chosen).tolist()


def test_the_vote_of_all_samples(drawn):
    answers, right, _ = drawn
    place = vote(answers)
    assert place == literal_vote(answers)
    orders = np.random.default_rng(0).permuted(np.tile(np.arange(N), (5, 1)), axis=1)
    assert vote_at_k(answers, right, N, orders) == float(place is not None and right[place])


def test_ties_go_to_the_first_seen_and_no_answer_never_votes():
    assert vote([2, 0, 0, 2]) == 0
    assert vote([NO_VOTE, NO_VOTE, NO_VOTE, 3]) == 3
    assert vote([NO_VOTE, NO_VOTE]) is None
    orders = np.array([[0, 1], [1, 0]])
    assert vote_at_k([NO_VOTE, NO_VOTE], [False, False], 2, orders) == 0.0


def test_random_choices_come_near_all_of_them():
    dice = np.random.default_rng(3)
    answers = dice.integers(0, 4, 12).tolist()
    right = [answer == 0 for answer in answers]
    every = [vote_of(answers, right, chosen) for chosen in combinations(range(12), 5)]
    orders = dice.permuted(np.tile(np.arange(12), (20000, 1)), axis=1)
    assert vote_at_k(answers, right, 5, orders) == pytest.approx(np.mean(every), abs=0.015)


def vote_of(answers, right, chosen):
    place = literal_vote([answers[i] for i in chosen])
    return place is not None and right[chosen[place]]
