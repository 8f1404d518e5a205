"""Families of questions: alike among themselves, so that one in train gives away another in dev or test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from reft_lab.data.likeness import LIKENESS, likenesses
from reft_lab.data.problem import Problem
from reft_lab.data.records import Record

Asked = TypeVar("Asked", Record, Problem)
PAIRS = (("train", "dev"), ("train", "test"), ("dev", "test"))


def families(items: Sequence[Record | Problem], likeness: str) -> list[str]:
    """For each item the name of its family: items of one name are alike, directly or through others.

    Copies that differ in case may be masked differently (a name is told by its capital letter), so the families of
    `masked` are joined where a normalised question stands in both. The name is a text of the family's own, the first in
    order, so it does not depend on the order of the items.

    Args:
        likeness: `exact`, `normalised` or `masked`.
    """
    texts = [likenesses(item) for item in items]
    if likeness != "masked":
        return [each[likeness] for each in texts]
    root: dict[str, str] = {}

    def find(text: str) -> str:
        while root.setdefault(text, text) != text:
            root[text] = root[root[text]]
            text = root[text]
        return text

    by_copy: dict[str, str] = {}
    for each in texts:
        ends = sorted((find(each["masked"]), find(by_copy.setdefault(each["normalised"], each["masked"]))))
        root[ends[1]] = ends[0]
    return [find(each["masked"]) for each in texts]


class Seen:
    """Questions that others are compared with, in every degree of likeness."""

    def __init__(self, items: Iterable[Record | Problem]):
        texts = [likenesses(item) for item in items]
        self._texts = {likeness: {each[likeness] for each in texts} for likeness in LIKENESS}

    def holds(self, item: Record | Problem, likeness: str) -> bool:
        """Whether one of them is like `item` in that degree, or in a stricter one."""
        texts = likenesses(item)
        degrees = LIKENESS[: LIKENESS.index(likeness) + 1]
        return any(texts[degree] in self._texts[degree] for degree in degrees)


def duplicates(splits: dict[str, list[Problem]]) -> dict[str, dict[str, int]]:
    """How many questions stand in a data set more than once, by degree of likeness.

    Args:
        splits: problems by `train`, `dev` and `test`.

    Returns:
        For each degree, by split: its problems that are like an earlier one of the same split; and by pair of splits
        (`train/test`): the problems of the second that are like one of the first.
    """
    found: dict[str, dict[str, int]] = {}
    seen = {split: Seen(problems) for split, problems in splits.items()}
    for likeness in LIKENESS:
        counts = {split: len(items) - len(set(families(items, likeness))) for split, items in splits.items()}
        for first, second in PAIRS:
            counts[f"{first}/{second}"] = sum(seen[first].holds(item, likeness) for item in splits[second])
        found[likeness] = counts
    return found
