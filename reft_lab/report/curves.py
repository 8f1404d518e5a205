"""The metrics of a run as curves, thinned to what a picture can show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reft_lab.charts.chart import Curve
from reft_lab.charts.curves import short

Point = tuple[float, float]
POINTS = 240  # a curve has no more than these: a chart is at most about 1,100 pixels wide


@dataclass(frozen=True)
class Curves:
    """The curves of one run.

    Attributes:
        points: (step, value) by metric, at most `POINTS` each, steps rising.
        last_step: the last step that was recorded; 0 where none was.
        seconds: seconds since the run began, by step.
        every: the most steps that one point is the mean of; 1 where nothing was thinned.
        ends: the first and the last (step, value) of each metric, which thinning moves.
    """

    points: Mapping[str, Curve]
    last_step: int
    seconds: Mapping[float, float]
    every: int
    ends: Mapping[str, tuple[Point, Point]]

    def __getitem__(self, metric: str) -> Curve:
        """The curve of a metric, empty where it was not recorded."""
        return self.points.get(metric, [])

    def by_time(self, metric: str) -> Curve:
        """The curve of a metric over the seconds since the run began."""
        return [(self.seconds[step], value) for step, value in self[metric] if step in self.seconds]

    def matching(self, prefix: str) -> dict[str, Curve]:
        """The curves of all metrics whose names begin so, by the rest of their names."""
        return {name.removeprefix(prefix): points for name, points in self.points.items() if name.startswith(prefix)}

    def first(self, metric: str) -> float | None:
        """The first step that has the metric."""
        return self.ends[metric][0][0] if metric in self.ends else None

    def last(self, metric: str) -> Point | None:
        """The last step that has the metric, and its value."""
        return self.ends[metric][1] if metric in self.ends else None


def curves_of(history: Iterable[Mapping[str, Any]]) -> Curves:
    """The curves of one run.

    Args:
        history: its steps, each with `step` and its metrics; what is no number is left out.
    """
    pairs: dict[str, list[tuple[float, float]]] = {}
    last = 0
    for line in history:
        step = line.get("step")
        if type(step) is not int:
            continue
        last = max(last, step)
        for metric, value in line.items():
            if type(value) in (int, float) and math.isfinite(value) and metric != "step":
                pairs.setdefault(metric, []).append((step, value))
    seconds = dict(pairs.pop("seconds", []))
    every = max((-(-len(each) // POINTS) for each in pairs.values()), default=1)
    ends = {metric: (min(each), max(each)) for metric, each in pairs.items()}
    return Curves({metric: _thinned(sorted(each)) for metric, each in pairs.items()}, last, seconds, every, ends)


def _thinned(pairs: Curve) -> Curve:
    """At most `POINTS` points: each is the mean of as many consecutive ones, and stands at the last of their steps."""
    size = max(1, -(-len(pairs) // POINTS))
    groups = (pairs[start : start + size] for start in range(0, len(pairs), size))
    return [(float(group[-1][0]), short(sum(y for _, y in group) / len(group))) for group in groups]
