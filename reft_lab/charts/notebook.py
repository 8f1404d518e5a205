"""The charts of the notebooks, from tidy frames.

Each draws nothing that is not in its frame, and is a sentence (`missing`) where the frame is empty.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reft_lab.analysis.published import NAMES
from reft_lab.answers.outcome import KINDS
from reft_lab.charts.bars import Interval, heat_map, interval_chart, scatter_chart, stacked_bar_chart
from reft_lab.charts.chart import Axes, Chart, Line
from reft_lab.charts.curves import area_chart, line_chart, mean_line
from reft_lab.charts.labels import OUTCOMES, POINTS, SHARE, metric
from reft_lab.charts.palette import COLOURS, LOOK, painted, setting_colours
from reft_lab.numbers import points

if TYPE_CHECKING:
    import altair as alt
    from pandas import DataFrame

WIDTH = 420  # of one plot, in pixels
COLUMNS = 2  # pictures in a row
UNFINISHED = "No run is finished."
NO_SAMPLES = "There are no samples here: they are read from run directories, not from W&B."


def in_notebook(*, dark: bool = False) -> None:
    """Make charts appear as SVG pictures, on white or on black.

    SVG is drawn here, by vl-convert, and is a plain picture afterwards: it shows in Jupyter, in VS Code and on pages
    that notebooks are exported to, with no network and no extension. The other ways that altair has load Vega from the
    network (`html`), need a further package (`jupyter`), or hope that the front end knows this version of Vega-Lite
    (`mimetype`). `altair.renderers.enable("html")` after it makes pictures that answer to the mouse, where there is a
    network.
    """
    import altair as alt

    alt.renderers.enable("svg")
    alt.data_transformers.disable_max_rows()

    @alt.theme.register("reft_lab", enable=False)
    def theme(dark: bool = False) -> alt.theme.ThemeConfig:
        return {"config": painted(LOOK, dark)}

    alt.theme.enable("reft_lab", dark=dark)


def nothing(sentence: str) -> alt.Chart:
    """A sentence in the place of a picture."""
    import altair as alt

    words = alt.Chart(alt.InlineData([{}])).mark_text(align="left", color=_colour("muted"), fontSize=12)
    return words.encode(x=alt.value(0), text=alt.value(sentence)).properties(width=WIDTH * 2, height=24)


def bands(
    frame: DataFrame,
    axis: str,
    setting: str,
    *,
    metrics: Sequence[str] | None = None,
    missing: str = "No finished run has these metrics.",
) -> alt.TopLevelMixin:
    """Curves of settings, one small picture a metric: the mean over seeds, in a band of one standard error.

    The band is not the 95 % interval, which from two seeds is wider than the picture; final results have theirs.

    Args:
        frame: as `curves.seed_bands` gives it.
        axis: the column that is the axis.
        setting: the column that tells curves apart.
        metrics: what is drawn, in this order; None takes all that is there.
        missing: what is said where there is nothing to draw.
    """
    charts = []
    for name in _named(frame, metrics):
        groups = _groups(frame, setting)
        lines = [mean_line(part[part["metric"] == name], axis, _text(each), colour) for each, colour, part in groups]
        charts.append(_of_metric(name, lines, axis))
    return _picture(charts, missing)


def run_lines(
    frame: DataFrame,
    axis: str,
    *,
    metrics: Sequence[str] | None = None,
    missing: str = "No run has these metrics.",
) -> alt.TopLevelMixin:
    """Curves of single runs, one small picture a metric; runs that are not finished are dashed.

    Args:
        frame: as `curves.run_curves` gives it.
        axis: the column that is the axis.
        metrics: what is drawn, in this order; None takes all that is there.
        missing: what is said where there is nothing to draw.
    """
    charts = []
    for name in _named(frame, metrics):
        lines = []
        for run, colour, part in _groups(frame, "run"):
            here = part[part["metric"] == name].sort_values(axis)
            style = "line" if (part["state"] == "finished").all() else "dashed"
            lines.append(Line(run, list(zip(here[axis].astype(float), here["value"], strict=True)), colour, style))
        charts.append(_of_metric(name, lines, axis))
    return _picture(charts, missing)


def outcome_areas(
    frame: DataFrame, axis: str, setting: str, *, missing: str = "No finished run tells the outcomes of its rollouts."
) -> alt.TopLevelMixin:
    """Shares of the outcomes over training, one picture a setting.

    Args:
        frame: as `outcomes.outcome_curves` gives it.
        axis: the column that is the axis.
        setting: the column that tells pictures apart.
        missing: what is said where there is nothing to draw.
    """
    charts = []
    for value, _, part in _groups(frame, setting):
        lines = []
        for kind in [kind for kind in KINDS if kind in set(frame["outcome"])]:
            here = part[part["outcome"] == kind].sort_values(axis)
            lines.append(Line(OUTCOMES[kind], list(zip(here[axis].astype(float), here["mean"], strict=True)), kind))
        charts.append(area_chart("", f"{setting}: {_text(value)}", lines, Axes(SHARE, axis), shares=True))
    return _picture(charts, missing, width=WIDTH // 2, columns=3)


def outcome_bars(
    frame: DataFrame, setting: str, *, missing: str = "No finished run tells its outcomes on test."
) -> alt.TopLevelMixin:
    """Shares of the outcomes of each setting among test problems.

    Args:
        frame: as `outcomes.final_outcomes` gives it.
        setting: its column.
        missing: what is said where there is nothing to draw.
    """
    parts = [(kind, OUTCOMES[kind], kind) for kind in KINDS]
    return _stacked(frame, setting, "outcome", parts, f"share of test problems by {setting}", missing)


def part_bars(
    frame: DataFrame, bar: str, part: str, order: Sequence[str], *, title: str, missing: str = "No run has these parts."
) -> alt.TopLevelMixin:
    """Shares that make a whole, as bars.

    Args:
        frame: has columns `bar`, `part` and share.
        bar: what a bar is of.
        part: what it is made of.
        order: the parts from left to right.
        title: of the share.
        missing: what is said where there is nothing to draw.
    """
    colours = setting_colours(list(order))
    parts = [(name, name, colour) for name, colour in zip(order, colours, strict=True)]
    return _stacked(frame, bar, part, parts, title, missing)


def interval_points(
    frame: DataFrame, setting: str, *, title: str, seeds: DataFrame | None = None, missing: str = UNFINISHED
) -> alt.TopLevelMixin:
    """One mean a setting with its interval, cut at what is possible; a small dot for each seed.

    Args:
        frame: as `seeds.by_setting` gives it, of fractions.
        setting: its column.
        title: of the value.
        seeds: as `seeds.per_seed` gives it.
        missing: what is said where there is nothing to draw.
    """
    if frame.empty:
        return nothing(missing)
    each = {} if seeds is None else {value: list(part["value"]) for value, part in seeds.groupby(setting, dropna=False)}
    rows = _intervals(frame, setting, "mean")
    rows = [replace(row, each=each.get(value, ())) for row, value in zip(rows, frame[setting], strict=True)]
    return _picture([interval_chart("", setting, rows, axis_title=title)], missing)


def difference_rules(
    frame: DataFrame, setting: str, *, title: str, missing: str = "There is no second setting with a seed in common."
) -> alt.TopLevelMixin:
    """Differences in points with their intervals, beside a line at none.

    Args:
        frame: as `seeds.against` gives it, of fractions.
        setting: its column.
        title: of the difference.
        missing: what is said where there is nothing to draw.
    """
    if frame.empty:
        return nothing(missing)
    rows = _intervals(frame, setting, "difference")
    return _picture([interval_chart("", setting, rows, unit=POINTS, axis_title=title)], missing)


def paper_points(frame: DataFrame, *, missing: str = UNFINISHED) -> alt.TopLevelMixin:
    """Our means with their intervals and the paper's accuracies (diamonds), one picture a model and data set.

    Args:
        frame: as `tables.main_table` gives it.
        missing: what is said where there is nothing to draw.
    """
    charts = []
    title = "accuracy on test: ours with its interval, the paper's as diamonds"
    for where, part in frame.groupby(["data", "cot", "model"], sort=False) if len(frame) else ():
        name = " ".join(NAMES.get(word, word) for word in where)
        colours = [method if method in COLOURS else "other" for method in part["method"]]
        rows = [
            replace(row, label=NAMES.get(row.label, row.label), colour=colour, other=other)
            for row, colour, other in zip(_intervals(part, "method", "mean"), colours, part["paper"], strict=True)
        ]
        charts.append(interval_chart("", name, rows, axis_title=title))
    return _picture(charts, missing)


def reward_ranges(frame: DataFrame, *, missing: str = NO_SAMPLES) -> alt.TopLevelMixin:
    """Mean reward of each outcome with the range from lowest to highest, one picture a reward.

    Args:
        frame: as `reward_audit.reward_by_outcome` gives it.
        missing: what is said where there is nothing to draw.
    """
    charts = []
    for reward, _, part in _groups(frame, "reward"):
        by_kind = part.set_index("outcome")
        rows = [
            Interval(OUTCOMES[kind], *by_kind.loc[kind, ["mean", "lowest", "highest"]].astype(float), colour=kind)
            for kind in KINDS
            if kind in by_kind.index
        ]
        charts.append(interval_chart("", str(reward), rows, unit="reward", axis_title="mean reward, and its range"))
    return _picture(charts, missing, width=WIDTH // 2, columns=3)


def reward_scatter(frame: DataFrame, *, missing: str = "No run has iterations of ReFT.") -> alt.TopLevelMixin:
    """Mean reward against accuracy, a dot an iteration, beside the line on which right answers alone are paid.

    Args:
        frame: as `reward_audit.reward_and_accuracy` gives it.
        missing: what is said where there is nothing to draw.
    """
    names = ("accuracy of the rollouts", "mean reward", "iteration")
    columns = ["accuracy", "mean_reward", "iteration"]
    charts = (
        scatter_chart(str(reward), [tuple(dot) for dot in part[columns].to_numpy(float)], names)
        for reward, _, part in _groups(frame, "reward")
    )
    return _picture(charts, missing, width=WIDTH // 2, columns=3)


def accuracy_map(
    frame: DataFrame, rows: str, columns: str, *, title: str, missing: str = UNFINISHED
) -> alt.TopLevelMixin:
    """The mean of every combination of two settings, its standard error over seeds written below.

    Args:
        frame: as `seeds.by_setting` gives it for both settings, of fractions.
        rows, columns: the settings.
        title: of the value.
        missing: what is said where there is nothing to draw.
    """
    if frame.empty:
        return nothing(missing)
    cells = [
        (
            _text(row),
            _text(column),
            mean,
            "one seed" if math.isnan(error) else f"± {points(error).lstrip('+')}, n = {n}",
        )
        for row, column, mean, error, n in zip(
            *(frame[name] for name in (rows, columns, "mean", "standard_error", "n")), strict=True
        )
    ]
    return _picture([heat_map(title, cells, (rows, columns))], missing, width=None)


def _of_metric(name: str, lines: Sequence[Line], axis: str) -> Chart | None:
    found = metric(name)
    return line_chart(
        name, found.label, lines, Axes(found.unit, axis, zero=False), about="" if name == found.label else name
    )


def _stacked(
    frame: DataFrame, bar: str, part: str, parts: Sequence[tuple[str, str, str]], title: str, missing: str
) -> alt.TopLevelMixin:
    """Bars of a column `share`, cut into parts of (name in the frame, label, colour)."""
    rows = []
    for value, _, here in _groups(frame, bar):
        shares = dict(zip(here[part], here["share"].astype(float), strict=True))
        rows.append((_text(value), [shares.get(name, 0.0) for name, *_ in parts]))
    return _picture([stacked_bar_chart("", title, rows, [(label, colour) for _, label, colour in parts])], missing)


def _intervals(frame: DataFrame, setting: str, value: str) -> list[Interval]:
    columns = (frame[setting].map(_text), frame[value], frame["low"], frame["high"])
    rows = zip(*columns, strict=True)
    return [Interval(label, float(mean), float(low), float(high)) for label, mean, low, high in rows]


def _picture(
    charts: Iterable[Chart | None], missing: str, *, width: int | None = WIDTH, columns: int = COLUMNS
) -> alt.TopLevelMixin:
    """Charts in rows, with titles and legends in the picture; a sentence where there is none."""
    import altair as alt

    parts = []
    for chart in filter(None, charts):
        title = {"text": chart.title} | ({"subtitle": chart.about} if chart.about else {})
        parts.append(chart.spec | {"title": title, "description": chart.summary} | ({"width": width} if width else {}))
    if not parts:
        return nothing(missing)
    spec: dict[str, Any] = {"concat": parts, "columns": columns}
    if pointers := [pointer for part in parts for pointer in part.pop("params", ())]:
        spec["params"] = [pointers[0] | {"views": [view for each in pointers for view in each["views"]]}]
    # Tests compare it with the schema of Vega-Lite.
    return alt.ConcatChart.from_dict(painted(spec, _is_dark()), validate=False)


def _is_dark() -> bool:
    import altair as alt

    return bool(alt.theme.options.get("dark"))


def _colour(name: str) -> str:
    return COLOURS[name][_is_dark()]


def _groups(frame: DataFrame, column: str) -> list[tuple[Any, str, DataFrame]]:
    """The values of a column in their order, each with its colour and its rows."""
    groups = [] if frame.empty else list(frame.groupby(column, dropna=False))
    colours = setting_colours([value for value, _ in groups])
    return [(value, colour, part) for (value, part), colour in zip(groups, colours, strict=True)]


def _named(frame: DataFrame, metrics: Sequence[str] | None) -> list[str]:
    return list(dict.fromkeys(frame["metric"])) if metrics is None else list(metrics)


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
