"""Accuracy by the number of samples: votes, pass@k and reranking, with bands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from reft_lab.analysis.found import Found
from reft_lab.analysis.schema import row_of
from reft_lab.charts.chart import Axes, Chart, Line
from reft_lab.charts.curves import line_chart, short
from reft_lab.evaluation.decoded import MEANING, WAYS, Point, points_of
from reft_lab.metrics import SHARE

# What is drawn from unless a run says otherwise: the full distribution.
USUAL = {"temperature": 1.0, "top_k": None, "top_p": None}


def decoding_chart(run: Found) -> Chart | None:
    """The curves over k on the test split, and greedy decoding for comparison; None where nothing was sampled."""
    points = points_of(run.result)
    greedy = row_of(run)["final_test_accuracy"]
    return line_chart(
        "decoding",
        "Test accuracy by the number of samples",
        [
            _line(label, f"set-{number}", [point for point in points if point.way == way])
            for number, (way, label) in enumerate(WAYS.items(), start=1)
        ],
        Axes(SHARE, "samples k", limits=[] if math.isnan(greedy) else [(greedy, "greedy")], log=True),
        about=f"{MEANING} {drawn_from(run.result)}",
        wide=True,
    )


def drawn_from(result: Mapping[str, Any]) -> str:
    """One sentence on what samples were drawn from; empty where that is not known."""
    pool = result.get("pool")
    if not isinstance(pool, Mapping):
        return ""
    changed = [f"{name} {pool[name]}" for name, usual in USUAL.items() if pool.get(name, usual) != usual]
    source = f"with {', '.join(changed)}" if changed else "from the policy's full distribution"
    return f"{pool.get('samples')} samples of each question were drawn {source}, in {pool.get('precision')}."


def _line(label: str, colour: str, points: list[Point]) -> Line:
    curve = [(float(point.k), short(point.accuracy)) for point in points]
    band = [(float(point.k), short(point.low), short(point.high)) for point in points if not math.isnan(point.low)]
    return Line(label, curve, colour, "dots", band)
