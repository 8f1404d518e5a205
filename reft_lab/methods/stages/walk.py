"""The order in which training questions are asked, and what the draws of the responses are keyed by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from reft_lab.randomness import key, permutation


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


def draw_keys(names: Iterable[str], earlier: Counter[str], *, seed: int, step: int) -> list[int]:
    """What the draws of responses are keyed by: seed, iteration, question, and which of its responses each one is.

    Args:
        names: of the questions, one for each response.
        earlier: responses to each question in the same iteration so far, which are counted on; a small training set may
            come round twice within it.
        seed: of the run.
        step: iterations done before.
    """
    keys = []
    for name in names:
        keys.append(key(seed, "rollout", step, name, earlier[name]))
        earlier[name] += 1
    return keys


def is_passed(mark: float, before: int, after: int) -> bool:
    """Whether a multiple of `mark` lies beyond `before` and not beyond `after`."""
    return after // mark > before // mark
