"""A stream of small choices from one random key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from reft_lab.randomness import KeyPart, generator

T = TypeVar("T")

_BLOCK = 64


class Draws:
    """Choices drawn one after the other from the generator of a key.

    Uniform numbers are taken from the generator in blocks: a scalar draw from numpy costs as much as a whole block.
    """

    def __init__(self, *key_parts: KeyPart):
        self._generator = generator(*key_parts)
        self._block: list[float] = []

    def uniform(self) -> float:
        """A number in [0, 1)."""
        if not self._block:
            self._block = self._generator.random(_BLOCK).tolist()
        return self._block.pop()

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.uniform() < probability

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self.uniform() * (high - low + 1))

    def choice(self, items: Sequence[T]) -> T:
        """One of `items`, each as likely as the others."""
        return items[int(self.uniform() * len(items))]

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """`count` of `items`, no position twice, in random order."""
        pool = list(items)
        return [pool.pop(int(self.uniform() * len(pool))) for _ in range(count)]
