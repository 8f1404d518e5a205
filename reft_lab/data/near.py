"""Questions that are nearly the same: alike but for numbers, names and a few words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

from reft_lab.data.likeness import Asked, masked_words

NEAR = "near"
ENOUGH = Fraction(3, 4)
"""Two questions are near if this share of their pairs of neighbouring words is in both (Jaccard index)."""

FEWEST = 6
"""Different pairs below which a question, such as `2 , 4 , 8 , ?`, is near to none but those that it equals masked."""


class Near:
    """A set of questions in which those near to another are found without comparing it with all of them.

    A question is the bag of pairs of words that are neighbours in its masked text (`likeness.masked`). Of two that
    share enough, the rarest few pairs of each must have one in common (prefix filtering, Bayardo et al. 2007), so only
    questions that share a rare pair are compared. 50,000 questions take seconds.
    """

    def __init__(self, items: Sequence[Asked]):
        self._sets = [_pairs(item) for item in items]
        self._members: dict[frozenset[str], list[int]] = {}
        for index, pairs in enumerate(self._sets):
            self._members.setdefault(pairs, []).append(index)
        self._counts = Counter(pair for pairs in self._members for pair in pairs)
        self._holding: dict[str, list[frozenset[str]]] = {}
        for pairs in self._members:
            for pair in self._rarest(pairs):
                self._holding.setdefault(pair, []).append(pairs)

    def nearest(self, item: Asked) -> tuple[int, float] | None:
        """The place of the first of the questions nearest to `item`, and how near it is, 1 at most; None: none is."""
        return max(self._near(_pairs(item)), key=lambda found: (found[1], -found[0]), default=None)

    def pairs(self) -> Iterator[tuple[int, int, float]]:
        """Each question that is near to an earlier one of the set: its place, that of the nearest one, how near."""
        for index, pairs in enumerate(self._sets):
            earlier = [found for found in self._near(pairs) if found[0] < index]
            if earlier:
                first, share = max(earlier, key=lambda found: (found[1], -found[0]))
                yield index, first, share

    def _near(self, pairs: frozenset[str]) -> Iterator[tuple[int, float]]:
        """One member of each different set that is near, the first of it, and how near it is."""
        compared: set[frozenset[str]] = set()
        if pairs in self._members:
            compared.add(pairs)
            yield self._members[pairs][0], 1.0
        for pair in self._rarest(pairs):
            for other in self._holding.get(pair, ()):
                shorter, longer = sorted((len(pairs), len(other)))
                if other in compared or shorter < ENOUGH * longer:
                    continue
                compared.add(other)
                shared = len(pairs & other)
                if shared >= ENOUGH * (len(pairs) + len(other) - shared):
                    yield self._members[other][0], shared / (len(pairs) + len(other) - shared)

    def _rarest(self, pairs: frozenset[str]) -> list[str]:
        """The rarest pairs of a set, so many that a set without any of them shares too little with it."""
        needed = -(-len(pairs) * ENOUGH.numerator // ENOUGH.denominator)  # shared at least, rounded up
        by_rarity = sorted(pairs, key=lambda pair: (self._counts[pair], pair))
        return by_rarity[: len(pairs) - needed + 1]


def near_in(items: Sequence[Asked], others: Sequence[Asked]) -> list[bool]:
    """Whether each of `items` is near to one of `others`."""
    index = Near(others)
    return [index.nearest(item) is not None for item in items]


def _pairs(item: Asked) -> frozenset[str]:
    """The pairs of neighbouring words, each with how often it has come before, so that repetition counts too."""
    words: list[str] = masked_words(item)
    framed = ["^", *words, "$"]
    times: Counter[str] = Counter()
    pairs: set[str] = set()
    for first, second in pairwise(framed):
        pair = f"{first} {second}"
        pairs.add(f"{pair} {times[pair]}")
        times[pair] += 1
    return frozenset(pairs) if len(pairs) >= FEWEST else frozenset({" ".join(words)})
