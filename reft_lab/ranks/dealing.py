"""How pieces of work are dealt out."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush


def deal(costs: Sequence[float], size: int) -> list[list[int]]:
    """Places of the work of each of `size` ranks, rising: the costliest first, each to the rank with the least so far.

    No rank has more than 4/3 of what it would have in the best deal (Graham 1969, longest processing time first). The
    deal depends on the arguments alone, so every rank can make it for itself.

    Args:
        costs: what each piece takes.
        size: how many ranks there are; some get nothing where there are fewer pieces.
    """
    hands: list[list[int]] = [[] for _ in range(size)]
    loads = [(0.0, rank) for rank in range(size)]
    for place in sorted(range(len(costs)), key=lambda place: (-costs[place], place)):
        load, rank = heappop(loads)
        hands[rank].append(place)
        heappush(loads, (load + costs[place], rank))
    return [sorted(hand) for hand in hands]
