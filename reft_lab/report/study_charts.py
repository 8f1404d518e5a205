"""The charts of a study's page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from reft_lab.analysis.found import FINISHED
from reft_lab.analysis.runs import Runs
from reft_lab.answers.outcome import KINDS
from reft_lab.charts.bars import Interval, interval_chart, stacked_bar_chart
from reft_lab.charts.chart import OUTCOMES, POINTS, Axes, Chart, Line
from reft_lab.charts.curves import line_chart, mean_line
from reft_lab.metrics import find
from reft_lab.report.comparison import Compared, Group

if TYPE_CHECKING:
    from pandas import DataFrame

BARS = 30  # settings that have a line in a chart of bars
PLACES = 120  # of an axis
METRICS = ("eval/accuracy", "rollout/reward", "ppo/kl_ref", "ppo/entropy_response", "rollout/length", "sft/loss")


def result_charts(compared: Sequence[Compared], colours: dict[int, str]) -> Iterator[Chart | None]:
    """Accuracies of settings, what changed, and the outcomes of the test problems."""
    tested = [row for row in compared[:BARS] if row.test]
    rows = []
    for row in tested:
        assert row.test is not None
        ends = (row.test.low, row.test.high) if row.test.known else row.single or (math.nan, math.nan)
        each = row.each if len(row.each) > 1 else ()
        rows.append(Interval(row.group.name, row.test.mean, *ends, colour=colours[row.group.number], each=each))
    one = any(row.single for row in tested)
    yield interval_chart(
        "study-accuracy",
        "Test accuracy",
        rows,
        about="Mean with a small dot for each seed, and from three seeds on its 95 % interval over seeds and problems"
        + ("; over problems alone where there is one seed." if one else "."),
    )
    changes = [
        Interval(row.group.name, row.change.difference, row.change.low, row.change.high, colours[row.group.number])
        for row in compared[:BARS]
        if row.change and not row.change.refused
    ]
    about = "Of the test accuracy in points, with its 95 % interval."
    yield interval_chart("study-change", "Change against the base", changes, unit=POINTS, about=about)
    outcomes = [(row.group.name, [_count(row.group, kind) for kind in KINDS]) for row in tested]
    parts = [(label, kind) for kind, label in OUTCOMES.items()]
    yield stacked_bar_chart("study-outcomes", "Outcomes of the test problems", outcomes, parts)


def curve_charts(
    runs: Runs, table: DataFrame, groups: Sequence[Group], colours: dict[int, str]
) -> Iterator[Chart | None]:
    """Curves of settings: the mean over seeds, and one standard error around it.

    Only finished runs are in a mean; a setting that has none is shown by its first run, dashed.

    Args:
        runs: the study.
        table: its `Runs.table`, without the runs that confirm a search.
        groups: the settings that are drawn.
        colours: by their numbers.
    """
    from reft_lab.analysis.curves import iterations, run_curves, seed_bands

    ids = {row["run"]: group.number for group in groups for row in group.rows}
    table = table[table["run"].isin(list(ids))].copy().assign(setting=lambda frame: frame["run"].map(ids))
    history = runs.history(list(METRICS), runs=list(ids))
    reft = iterations(history)
    axis, history = ("iteration", reft) if len(reft) else ("step", history)
    bands = seed_bands(history, table, ["setting"], axis, PLACES)
    singles = run_curves(history, table, axis, PLACES)
    without = [
        group.name
        for group in groups
        if axis == "iteration" and not {row["run"] for row in group.rows} & set(reft["run"])
    ]
    for name in METRICS:
        lines = []
        for group in groups:
            colour = colours[group.number]
            if any(row["state"] == FINISHED for row in group.rows):
                rows = bands[(bands["setting"] == group.number) & (bands["metric"] == name)]
                lines.append(mean_line(rows, axis, group.name, colour))
            else:
                rows = singles[(singles["run"] == group.rows[0]["run"]) & (singles["metric"] == name)]
                points = sorted(zip(rows[axis].astype(float), rows["value"], strict=True))
                lines.append(Line(f"{group.name} (not finished)", points, colour, "dashed"))
        found, main = find(name), name == METRICS[0]
        about = "Iteration 0 is the end of the warm-up." if axis == "iteration" and main else ""
        if main and without:
            about += f" Without iterations, and so without a curve: {', '.join(without)}."
        key = f"study-{name.replace('/', '-')}"
        yield line_chart(key, found.label, lines, Axes(found.unit, axis, zero=not main), about=about, wide=main)


def _count(group: Group, kind: str) -> float:
    counts = (row[f"outcome_{kind}"] for row in group.rows if row["state"] == FINISHED)
    return sum(count for count in counts if not math.isnan(count))
