"""Dealing out work: everything once, the same for everybody, and nearly even."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from reft_lab.randomness import generator
from reft_lab.ranks import ALONE
from reft_lab.ranks.dealing import deal


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("pieces", [0, 1, 2, 7, 40])
def test_each_piece_goes_to_one_rank(pieces: int, size: int) -> None:
    costs = generator("costs", pieces, size).integers(1, 50, pieces).tolist()
    hands = deal(costs, size)
    assert len(hands) == size
    assert sorted(place for hand in hands for place in hand) == list(range(pieces))
    assert all(hand == sorted(hand) for hand in hands)
    assert hands == deal(costs, size)
    assert sum(bool(hand) for hand in hands) == min(pieces, size)


@pytest.mark.parametrize("seed", range(20))
def test_no_rank_has_more_than_four_thirds_of_the_best_deal(seed: int) -> None:
    draw = generator("deal", seed)
    costs = draw.integers(1, 100, 8).tolist()
    best = min(
        max(sum(cost for cost, rank in zip(costs, ranks, strict=True) if rank == one) for one in range(3))
        for ranks in product(range(3), repeat=8)
    )
    assert max(sum(costs[place] for place in hand) for hand in deal(costs, 3)) <= 4 / 3 * best


def test_pieces_of_one_size_are_dealt_in_turn() -> None:
    assert deal([5] * 7, 3) == [[0, 3, 6], [1, 4], [2, 5]]


def test_one_process_has_everything_and_asks_nobody() -> None:
    assert ALONE.share([3, 1, 2]) == [0, 1, 2]
    assert (ALONE.leads, ALONE.gather("x"), ALONE.agreed(lambda: 4), ALONE.total({0: torch.tensor([1.5, 2.0])})) == (
        True,
        ["x"],
        4,
        [1.5, 2.0],
    )
