"""Accuracies of decoding from several samples, as result.json has them, whatever state that is in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# What a reader of these numbers must know.
MEANING = (
    "Means over all choices of k of the samples, or many random ones; intervals are of a bootstrap over the questions, "
    "so they do not hold for other seeds."
)
# Ways to decode, by their names in result.json, and what they are for people.
WAYS = {"vote": "majority vote", "pass": "any of k right", "rerank": "reranked"}


@dataclass(frozen=True)
class Point:
    """One way to decode at one k.

    Attributes:
        way: a key of WAYS.
        k: samples.
        accuracy, low, high: fractions, on the test split; low and high are nan where there is no interval.
        n: problems, 0 where it is not known.
    """

    way: str
    k: int
    accuracy: float
    low: float
    high: float
    n: int


def points_of(result: Mapping[str, Any]) -> list[Point]:
    """The curves of a result.json, way by way and k rising; what is not as it should be is left out."""
    decoding = result.get("decoding")
    found = []
    for way in WAYS:
        curve = decoding.get(way) if isinstance(decoding, Mapping) else None
        points = [_point(way, k, score) for k, score in curve.items()] if isinstance(curve, Mapping) else []
        found += sorted((point for point in points if point), key=lambda point: point.k)
    return found


def _point(way: str, k: Any, score: Any) -> Point | None:
    accuracy = score.get("accuracy") if isinstance(score, Mapping) else None
    if accuracy is None or not str(k).isdecimal() or not _is_share(accuracy):
        return None
    interval, n = score.get("ci95"), score.get("n")
    has_interval = isinstance(interval, list) and len(interval) == 2 and all(map(_is_share, interval))
    low, high = interval if has_interval else (math.nan, math.nan)
    return Point(way, int(k), float(accuracy), float(low), float(high), n if type(n) is int else 0)


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1
