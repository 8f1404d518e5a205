"""The order in which training questions are asked."""

from __future__ import annotations

from reft_lab.randomness import permutation


class Walk:
    """An endless walk over the training set, epoch by epoch, each in an order of its own that is keyed by the seed."""

    def __init__(self, questions: int, seed: int):
        """`questions` are in the training set."""
        self._count, self._seed = questions, seed
        self._orders: dict[int, list[int]] = {}

    def questions(self, start: int, count: int) -> list[int]:
        """The `count` questions from step `start` of the walk on, by their places in the training set."""
        last = (start + count - 1) // self._count
        for epoch in range(start // self._count, last + 1):
            if epoch not in self._orders:
                self._orders[epoch] = permutation(self._count, self._seed, "question order", epoch)
        chosen = [self._orders[at // self._count][at % self._count] for at in range(start, start + count)]
        self._orders = {last: self._orders[last]}  # a long one takes long to make, and the next call needs it
        return chosen


def is_passed(mark: float, before: int, after: int) -> bool:
    """Whether a multiple of `mark` lies beyond `before` and not beyond `after`."""
    return after // mark > before // mark
