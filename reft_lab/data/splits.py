"""Carving, subsets and duplicates: who is in which split depends on the question's text and the seed alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from reft_lab.data.options import split_question
from reft_lab.data.problem import Problem
from reft_lab.data.records import Record
from reft_lab.randomness import key

Asked = TypeVar("Asked", Record, Problem)


def asked(item: Record | Problem) -> str:
    """The question without its options, in lower case and single spaces: equal texts are the same question."""
    stem = split_question(item.question)[0] if item.options else item.question
    return " ".join(stem.lower().split())


def carve(items: Sequence[Asked], size: int, seed: int, name: str) -> tuple[list[Asked], list[Asked], int]:
    """Take `size` different questions out of `items`.

    Which ones is a matter of their text, `seed` and `name`, not of their order, so that two files with much the same
    questions are split alike.

    Returns:
        What stays, what was carved (both in their old order), and how many other copies of carved questions went.
    """
    texts = [asked(item) for item in items]
    order = sorted(set(texts), key=lambda text: key(seed, "split", name, text))
    taken = set(order[:size])
    rest = [item for item, text in zip(items, texts, strict=True) if text not in taken]
    carved: dict[str, Asked] = {}
    for item, text in zip(items, texts, strict=True):
        if text in taken:
            carved.setdefault(text, item)
    return rest, list(carved.values()), len(items) - len(rest) - len(carved)


def subset(items: Sequence[Asked], size: int | None, seed: int, name: str) -> list[Asked]:
    """`size` of `items` by seed, in their old order; all where `size` is None. A smaller subset is part of a larger."""
    if size is None or size >= len(items):
        return list(items)
    ranks = [key(seed, "subset", name, asked(item)) for item in items]
    chosen = sorted(range(len(items)), key=lambda index: (ranks[index], index))[:size]
    return [items[index] for index in sorted(chosen)]


def without(items: Sequence[Asked], others: Iterable[Asked]) -> list[Asked]:
    """`items` whose question is none of `others`'."""
    texts = {asked(other) for other in others}
    return [item for item in items if asked(item) not in texts]


def shared(items: Iterable[Asked], others: Iterable[Asked]) -> int:
    """How many different questions stand in both."""
    return len({asked(item) for item in items} & {asked(other) for other in others})
