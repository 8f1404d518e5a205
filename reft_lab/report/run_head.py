"""The top of a run's page: what it is, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reft_lab.analysis.found import Found
from reft_lab.analysis.schema import row_of
from reft_lab.methods import method_of, result_labels
from reft_lab.methods.sft import SFT, WARMUP
from reft_lab.report.bars import interval_chart
from reft_lab.report.curves import Curves
from reft_lab.report.figures import Figure
from reft_lab.report.words import duration, points

SPLITS = ("dev", "test")


@dataclass(frozen=True)
class Score:
    """An accuracy.

    Attributes:
        accuracy, low, high: in per cent; low and high are its 95 % interval, nan where there is none.
        n: problems, 0 where it is not known.
    """

    accuracy: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Row:
    """One row of the result table.

    Attributes:
        label: what was evaluated.
        colour: its colour.
        scores: by split; None where it was not evaluated.
    """

    label: str
    colour: str
    scores: Mapping[str, Score | None]


def result_rows(run: Found, curves: Curves) -> list[Row]:
    """The result table; for a run without a result, the newest evaluation of each stage that it got to."""
    row, method = row_of(run), method_of(run.result | run.config)
    colours = {"warmup": WARMUP.name, "baseline_sft": SFT.name, "final": method.last.name}
    rows = []
    for stage, label in result_labels(method).items():
        scores = {split: _score(row, f"{stage}_{split}") for split in SPLITS}
        if any(scores.values()):
            rows.append(Row(label, colours[stage], scores))
    return rows or _so_far(run, curves)


def facts(run: Found) -> list[tuple[str, str]]:
    """What one wants to know of a run first, as (name, value)."""
    row = row_of(run)
    found = [(key, row[key]) for key in ("method", "model", "data", "cot", "reward", "seed", "study", "trial")]
    if run.started is not None:
        found.append(("started", f"{run.started:%Y-%m-%d %H:%M} UTC"))
    if not math.isnan(row["seconds"]):
        found.append(("took" if run.state == "finished" else "ran for", duration(row["seconds"])))
    found += [("chosen checkpoint", row["chosen"]), ("last step", None if run.step is None else f"{run.step:,}")]
    return [(name, str(value)) for name, value in found if value is not None]


def score_chart(rows: Sequence[Row]) -> Figure | None:
    """The result table as dots with their intervals."""
    bars = [
        (f"{row.label}, {split}", score.accuracy / 100, score.low / 100, score.high / 100, row.colour)
        for split in reversed(SPLITS)
        for row in rows
        if (score := row.scores[split])
    ]
    return interval_chart("scores", "Greedy accuracy with its 95 % interval", bars)


def change(run: Found) -> str | None:
    """What the last stage changed on the test problems, problem by problem, in words; None where it cannot be told."""
    pairs = [
        (line["outcome"] == "correct", line["warmup_outcome"] == "correct")
        for line in run.predictions()
        if isinstance(line.get("outcome"), str) and isinstance(line.get("warmup_outcome"), str)
    ]
    if not pairs:
        return None
    from reft_lab.analysis.statistics import paired_bootstrap

    gained, lost = pairs.count((True, False)), pairs.count((False, True))
    low, high = paired_bootstrap(gained, lost, len(pairs))
    verdict = "no change that counts" if low <= 0 <= high else "a change that the choice of problems does not explain"
    return (
        f"Against the same policy after {WARMUP.label}, {gained} of {len(pairs)} test problems became right and {lost} "
        f"became wrong: {points((gained - lost) / len(pairs))} points (95 % interval {points(low)} to {points(high)}, "
        f"paired bootstrap over problems), {verdict}. What another seed would give is not in this interval."
    )


def _score(row: Mapping[str, Any], name: str) -> Score | None:
    accuracy, low, high, n = (row[f"{name}_{part}"] for part in ("accuracy", "low", "high", "n"))
    if math.isnan(accuracy):
        return None
    return Score(100 * accuracy, 100 * low, 100 * high, 0 if math.isnan(n) else int(n))


def _so_far(run: Found, curves: Curves) -> list[Row]:
    """The newest evaluations of a run that has no result."""
    split = str(run.config.get("selection") or "dev")
    first, last = method_of(run.config).stages[0], method_of(run.config).last
    start = (curves.first("rollout/reward") or math.inf) if first is not last else 0
    evaluated = curves["eval/accuracy"]
    parts = {first: [p for p in evaluated if p[0] < start], last: [p for p in evaluated if p[0] >= start]}
    return [
        Row(
            f"{stage.label} so far (step {points[-1][0]:,.0f})",
            stage.name,
            dict.fromkeys(SPLITS) | {split: Score(100 * points[-1][1], math.nan, math.nan, 0)},
        )
        for stage, points in parts.items()
        if points
    ]
