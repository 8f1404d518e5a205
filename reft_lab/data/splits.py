"""Carving and subsets: which split a problem is in depends on the questions' texts and the seed alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reft_lab.data.likeness import Asked, Seen, asked, families, likenesses
from reft_lab.randomness import key


def carve(
    items: Sequence[Asked], size: int, seed: int, name: str, likeness: str, *, cut: int = 0
) -> tuple[list[Asked], list[Asked], int]:
    """Take up to `size` different questions out of `items`, together with their whole families.

    Families are taken whole as long as they fit. Where those do not add up to `size`, larger ones are cut to what is
    missing, and the rest of them is in neither part. The choice depends on the texts of the families, `seed` and
    `name`, not on the order of items, so two files with much the same questions are split alike.

    Args:
        likeness: what makes a family: `exact`, `normalised` or `masked`.
        cut: largest family that may be cut, in items.

    Returns:
        What stays, what was carved (both in their old order), and how many items are in neither: copies, and what was
        cut off.
    """
    of = families(items, likeness)
    members: dict[str, list[int]] = {}
    for index, family in enumerate(of):
        members.setdefault(family, []).append(index)
    order = sorted(members, key=lambda family: key(seed, "split", name, family))
    same = "exact" if likeness == "exact" else "normalised"
    different = {family: _different(items, members[family], same) for family in order}
    taken: list[int] = []
    gone: set[str] = set()
    for largest in (0, cut):
        for family in order:
            room = size - len(taken)
            fits = len(different[family]) <= room or len(members[family]) <= largest
            if family not in gone and room > 0 and fits:
                taken += different[family][:room]
                gone.add(family)
    rest = [item for item, family in zip(items, of, strict=True) if family not in gone]
    return rest, [items[index] for index in sorted(taken)], len(items) - len(rest) - len(taken)


def subset(items: Sequence[Asked], size: int | None, seed: int, name: str) -> list[Asked]:
    """`size` of `items` by seed, in their old order; all where `size` is None. A larger subset holds the smaller."""
    if size is None or size >= len(items):
        return list(items)
    ranks = [key(seed, "subset", name, asked(item)) for item in items]
    chosen = sorted(range(len(items)), key=lambda index: (ranks[index], index))[:size]
    return [items[index] for index in sorted(chosen)]


def without(items: Sequence[Asked], others: Iterable[Asked], likeness: str) -> list[Asked]:
    """Those of `items` that are like none of `others`."""
    seen = Seen(others)
    return [item for item in items if not seen.holds(item, likeness)]


def _different(items: Sequence[Asked], members: Sequence[int], likeness: str) -> list[int]:
    """One of each group of members that are alike, in the order of their texts."""
    first: dict[str, int] = {}
    for index in sorted(members, key=lambda index: asked(items[index])):
        first.setdefault(likenesses(items[index])[likeness], index)
    return list(first.values())
