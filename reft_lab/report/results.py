"""What came of a run: its accuracies, what its last stage changed, and its alarms."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reft_lab.analysis.found import Found
from reft_lab.analysis.power import needed_by_problems
from reft_lab.analysis.problems import Answered, answered, paired
from reft_lab.analysis.schema import row_of
from reft_lab.analysis.statistics import compare_problems
from reft_lab.charts.bars import Interval, interval_chart
from reft_lab.charts.chart import Chart
from reft_lab.charts.palette import stage_colour
from reft_lab.errors import BadInput
from reft_lab.evaluation.score import score
from reft_lab.methods import method_of, result_labels
from reft_lab.methods.sft import SFT, WARMUP
from reft_lab.metrics import find
from reft_lab.report.curves import Curves
from reft_lab.report.explained import Last, when_nothing_was_better
from reft_lab.run_dir.files import BASELINE

SPLITS = ("dev", "test")
ALARM = "alarm/"


@dataclass(frozen=True)
class Score:
    """An accuracy.

    Attributes:
        accuracy, low, high: fractions; low and high are its 95 % interval, nan where there is none.
        n: problems, 0 where it is not known.
    """

    accuracy: float
    low: float = math.nan
    high: float = math.nan
    n: int = 0


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


@dataclass(frozen=True)
class Changed:
    """What became of the test problems of a run against another policy.

    Attributes:
        label, colour: of the other policy, as in the result table.
        n: problems.
        gained, lost: how many became right, and wrong.
        difference, low, high: of the accuracies, with its 95 % interval.
        p: McNemar's, exact.
        needed: how many questions such a difference needs, in words.
        refused: why nothing of this is known; empty where it is.
    """

    label: str
    colour: str
    n: int = 0
    gained: int = 0
    lost: int = 0
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    needed: str = ""
    refused: str = ""

    @property
    def counts(self) -> bool:
        """Whether the choice of problems does not explain it."""
        return not self.low <= 0 <= self.high


@dataclass(frozen=True)
class Alarm:
    """One alarm that was on.

    Attributes:
        name: as in docs/alarms.md.
        meaning: what it says; empty for one that is not known.
        times: (first step, last step) of each time.
    """

    name: str
    meaning: str
    times: list[tuple[int, int]]


def result_rows(run: Found, curves: Curves) -> list[Row]:
    """The result table; for a run without a result, the newest evaluation of each stage that it got to."""
    row, method = row_of(run), method_of({**run.result, **run.config})
    stages = {"warmup": WARMUP.name, BASELINE: SFT.name, "final": method.last.name}
    rows = []
    for part, label in result_labels(method).items():
        scores = {split: _score(row, f"{part}_{split}") for split in SPLITS}
        if any(scores.values()):
            rows.append(Row(label, stage_colour(stages[part]), scores))
    if rows and (last := when_nothing_was_better(run, curves)):
        rows.append(_last(last, rows[-1]))
    return rows or _so_far(run, curves)


def _last(last: Last, chosen: Row) -> Row:
    """The row of an evaluation in training, on as many problems as that of the chosen checkpoint."""
    beside = chosen.scores[last.split]
    n = beside.n if beside else 0
    found = score(round(last.accuracy * n), n) if n else None
    entry = Score(last.accuracy, *found.ci95, n) if found else Score(last.accuracy)
    return Row(last.label, "other", dict.fromkeys(SPLITS) | {last.split: entry})


def score_chart(rows: Sequence[Row]) -> Chart | None:
    """The result table as dots with their intervals."""
    dots = [
        Interval(f"{row.label}, {split}", score.accuracy, score.low, score.high, row.colour)
        for split in reversed(SPLITS)
        for row in rows
        if (score := row.scores[split])
    ]
    if all(math.isnan(dot.low) for dot in dots):  # of a run that goes on there are the numbers alone
        return None
    return interval_chart("scores", "Greedy accuracy with its 95 % interval", dots)


def changes(run: Found, baseline: Found | None) -> list[Changed]:
    """What the last stage changed on the test problems, problem by problem: against the warm-up, and against the
    baseline beside it; empty where it cannot be told."""
    lines = list(run.predictions())
    ours = answered(lines)
    labels = result_labels()
    others = [(labels["warmup"], WARMUP.name, answered(lines, "warmup_outcome"))]
    if baseline is not None:
        others.append((labels[BASELINE], SFT.name, answered(baseline.predictions())))
    return [_changed(label, stage, ours, theirs) for label, stage, theirs in others if ours.right and theirs.right]


def _changed(label: str, stage: str, ours: Answered, theirs: Answered) -> Changed:
    colour = stage_colour(stage)
    try:
        found = compare_problems(*paired(ours, theirs))
    except BadInput as error:
        return Changed(label, colour, refused=str(error))
    need = needed_by_problems(found)
    return Changed(
        label,
        colour,
        found.n,
        found.only_ours,
        found.only_theirs,
        found.difference,
        found.low,
        found.high,
        found.p,
        need.short if need else "",
    )


def alarms_of(history: Iterable[Mapping[str, Any]]) -> list[Alarm]:
    """The alarms that were on in a run, those that began first before others."""
    times: dict[str, list[tuple[int, int]]] = {}
    on: set[str] = set()
    for line in history:
        step = line.get("step")
        if type(step) is not int:
            continue
        now = {name.removeprefix(ALARM) for name, value in line.items() if name.startswith(ALARM) and value == 1}
        for name in now:
            spells = times.setdefault(name, [])
            if name in on:
                spells[-1] = (spells[-1][0], step)
            else:
                spells.append((step, step))
        on = now
    return [Alarm(name, find(ALARM + name).meaning, spells) for name, spells in times.items()]


def _score(row: Mapping[str, Any], name: str) -> Score | None:
    accuracy, low, high, n = (row[f"{name}_{part}"] for part in ("accuracy", "low", "high", "n"))
    return None if math.isnan(accuracy) else Score(accuracy, low, high, 0 if math.isnan(n) else int(n))


def _so_far(run: Found, curves: Curves) -> list[Row]:
    """The newest evaluations of a run that has no result."""
    split = str(run.config.get("selection") or "dev")
    stages, evaluated = method_of(run.config).stages, curves["eval/accuracy"]
    start = (len(stages) > 1 and curves.first("rollout/reward")) or math.inf
    parts = [[p for p in evaluated if p[0] < start], [p for p in evaluated if p[0] >= start]]
    return [
        Row(
            f"{stage.label} so far (step {reached[-1][0]:,.0f})",
            stage_colour(stage.name),
            dict.fromkeys(SPLITS) | {split: Score(reached[-1][1])},
        )
        for stage, reached in zip(stages, parts, strict=False)
        if reached
    ]
