"""Answers from several samples of one question (docs/methods.md): pass@k, majority vote, rerank.

Each is what k of the n samples that were drawn come to on average, over all choices of k of the n, so that a curve over
k takes one set of samples and uses all of it at every k.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import comb
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

NO_VOTE = -1


def pass_at_k(n: int, right: int, k: int) -> float:
    """The share of the choices of k samples in which one is right: 1 - C(n - c, k) / C(n, k) (2107.03374, section 2.1).

    Args:
        n: samples.
        right: c, how many of them are right.
        k: from 1 to n.
    """
    return 1.0 - comb(n - right, k) / comb(n, k)


def rerank_at_k(scores: Sequence[float], right: Sequence[bool], k: int) -> float:
    """The share of the choices of k samples in which that of the highest score is right (2110.14168, section 4.2).

    C(m, k) of the C(n, k) choices lie within the m samples that score no higher than a given one, so how often each is
    the best follows without trying. Samples of equal scores share that evenly, as where the first seen counts.

    Args:
        scores: of the n samples.
        right: whether each is right.
        k: from 1 to n.
    """
    ranked = sorted(zip(scores, right, strict=True), key=lambda scored: -scored[0])
    left, total = len(ranked), 0.0
    for _, equal in groupby(ranked, key=lambda scored: scored[0]):
        group = [is_right for _, is_right in equal]
        best = comb(left, k) - comb(left - len(group), k)
        total += best * sum(group) / len(group)
        left -= len(group)
    return total / comb(len(ranked), k)


def vote(answers: Sequence[int]) -> int | None:
    """The place of the sample whose answer wins: the first of those with the most frequent answer (2203.11171).

    Of several answers that are as frequent, that which was seen first wins.

    Args:
        answers: a number for each sample, the same for the same answer; NO_VOTE where there is none.

    Returns:
        None where no sample has an answer.
    """
    places: dict[int, list[int]] = {}
    for place, answer in enumerate(answers):
        if answer != NO_VOTE:
            places.setdefault(answer, []).append(place)
    return max(places.values(), key=len)[0] if places else None


def vote_at_k(answers: Sequence[int], right: Sequence[bool], k: int, orders: np.ndarray) -> float:
    """The share of the choices of k samples whose `vote` is right: exact for 1 and n, else over random choices.

    The samples of a choice stay in the order in which they were drawn.

    Args:
        answers: as for `vote`, of the n samples.
        right: whether each is right.
        k: from 1 to n.
        orders: random orders of range(n), (R, n), whose first k are a choice.
    """
    import numpy as np

    n = len(answers)
    named, is_right = np.asarray(answers), np.asarray(right, dtype=bool)
    if k == 1:
        return float((is_right & (named != NO_VOTE)).mean())
    chosen = np.arange(n)[None] if k == n else orders[:, :k]
    kinds = int(named.max()) + 1
    if kinds == 0:
        return 0.0
    rows, columns = np.nonzero(named[chosen] != NO_VOTE)
    places = chosen[rows, columns]
    cells = rows * kinds + named[places]
    votes = np.bincount(cells, minlength=len(chosen) * kinds)
    first = np.full(len(chosen) * kinds, n)
    np.minimum.at(first, cells, places)
    # Most votes count, and among these the place where an answer was first seen.
    standing = (votes * (n + 1) - first).reshape(len(chosen), kinds)
    winner = first.reshape(len(chosen), kinds)[np.arange(len(chosen)), standing.argmax(1)]
    return float(np.append(is_right, False)[winner].mean())
