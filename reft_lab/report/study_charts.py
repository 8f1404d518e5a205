"""The charts of a study's page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from reft_lab.analysis.found import FINISHED
from reft_lab.analysis.runs import Runs
from reft_lab.answers.outcome import KINDS
from reft_lab.report.bars import interval_chart, stacked_bar_chart
from reft_lab.report.comparison import Compared
from reft_lab.report.figures import Axes, Figure, Line
from reft_lab.report.groups import Group
from reft_lab.report.lines import line_chart

if TYPE_CHECKING:
    from pandas import DataFrame

CURVES = 8  # settings that have a colour of their own
BARS = 30  # settings that have a line in a chart of bars
POINTS = 120
METRICS = (
    ("eval/accuracy", "Accuracy of the greedy policy", "right answers", "%"),
    ("rollout/reward", "Reward", "mean of a response", ""),
    ("ppo/kl_ref", "KL to the policy after warm-up", "nats a response", ""),
    ("ppo/entropy_response", "Entropy", "nats a response", ""),
    ("rollout/length", "Length of a response", "tokens", ""),
    ("sft/loss", "Supervised loss", "nats a token", ""),
)


def colour_of(groups: Sequence[Group]) -> dict[int, str]:
    """A colour for each setting, by number; those beyond `CURVES` share one."""
    return {group.number: f"set-{place}" if place <= CURVES else "other" for place, group in enumerate(groups, start=1)}


def result_charts(compared: Sequence[Compared], colours: dict[int, str]) -> Iterator[Figure | None]:
    """Accuracies of settings, what changed, and what became of the test problems."""
    compared = compared[:BARS]
    rows = []
    for row in compared:
        if row.test:
            low, high = (row.test.low, row.test.high) if row.test.known else row.single or (math.nan, math.nan)
            rows.append((row.group.label, row.test.mean, low, high, colours[row.group.number]))
    one = any(row.test and not row.test.known for row in compared)
    yield interval_chart(
        "study-accuracy",
        "Test accuracy",
        rows,
        about="Mean, and its 95 % interval over seeds"
        + (", or over problems where there is one seed." if one else " (Student's t)."),
    )
    changes = [(row.group.label, row.change, colours[row.group.number]) for row in compared if row.change]
    yield interval_chart(
        "study-change",
        "Change against the base",
        [(label, change.difference, change.low, change.high, colour) for label, change, colour in changes],
        form="+%",
        zero_line=True,
        about="Of the test accuracy, with its 95 % interval.",
    )
    outcomes = [(row.group.label, [_count(row.group, kind) for kind in KINDS]) for row in compared if row.test]
    parts = [(kind.replace("_", " "), kind) for kind in KINDS]
    yield stacked_bar_chart("study-outcomes", "What became of the test problems", outcomes, parts)


def curve_charts(
    runs: Runs, table: DataFrame, groups: Sequence[Group], colours: dict[int, str]
) -> Iterator[Figure | None]:
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
    history = runs.history([name for name, *_ in METRICS], runs=list(ids))
    reft = iterations(history)
    axis = "iteration" if len(reft) else "step"
    history = reft if len(reft) else history
    bands = seed_bands(history, table, ["setting"], axis, POINTS)
    begun = {group.number: group.rows[0]["run"] for group in groups if not _is_finished(group)}
    single = run_curves(history[history["run"].isin(list(begun.values()))], table, axis, POINTS)
    for metric, title, y, form in METRICS:
        lines = []
        for group in groups:
            colour = colours[group.number]
            if group.number in begun:
                part = single[(single["run"] == begun[group.number]) & (single["metric"] == metric)]
                points = list(zip(part[axis].astype(float), part["value"], strict=True))
                lines.append(Line(f"{group.label} (not finished)", sorted(points), colour, "dashed"))
                continue
            part = bands[(bands["setting"] == group.number) & (bands["metric"] == metric)].sort_values(axis)
            points = [(float(x), _short(mean)) for x, mean in zip(part[axis], part["mean"], strict=True)]
            band = [
                (float(x), _short(mean - error), _short(mean + error))
                for x, mean, error in zip(part[axis], part["mean"], part["standard_error"], strict=True)
                if not math.isnan(error)
            ]
            lines.append(Line(group.label, points, colour, "dots" if len(points) < 40 else "line", band))
        key = f"study-{metric.replace('/', '-')}"
        about = "Iteration 0 is the end of the warm-up." if axis == "iteration" and metric.startswith("eval") else ""
        main = metric == "eval/accuracy"
        yield line_chart(key, title, lines, Axes(axis, y, form, zero=not main), about=about, wide=main)


def _is_finished(group: Group) -> bool:
    return any(row["state"] == FINISHED for row in group.rows)


def _count(group: Group, kind: str) -> float:
    counts = (row[f"outcome_{kind}"] for row in group.rows if row["state"] == FINISHED)
    return sum(count for count in counts if not math.isnan(count))


def _short(value: float) -> float:
    return float(f"{value:.4g}")
