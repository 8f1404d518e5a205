"""The charts of the notebooks, from tidy frames.

Each draws nothing that is not in its frame; `missing` is the sentence that stands in its place where that is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from reft_lab.analysis.published import NAMES
from reft_lab.answers.outcome import KINDS
from reft_lab.charts.bars import Interval, heat_map, interval_chart, scatter_chart, stacked_bar_chart
from reft_lab.charts.chart import OUTCOMES, POINTS, Axes, Chart, Line
from reft_lab.charts.curves import area_chart, line_chart, mean_line
from reft_lab.charts.palette import COLOURS, LOOK, painted, setting_colours, stage_colour
from reft_lab.metrics import SHARE, find
from reft_lab.numbers import LOCALE, four, per_cent

if TYPE_CHECKING:
    from altair import TopLevelMixin as Picture
    from pandas import DataFrame, Series

WHOLE = 910  # room for a row of plots on a page of 1,100 pixels that a notebook is exported to, in pixels
EDGE = 12  # pixels around a picture: the font of another browser may be wider than the one it was measured with
BESIDE = 75  # of each, beside the plot: its axis, and the gap to the next
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

    @alt.theme.register("reft_lab", enable=False)
    def theme(dark: bool = False) -> alt.theme.ThemeConfig:
        return {"config": painted(LOOK, dark)}

    alt.theme.enable("reft_lab", dark=dark)
    alt.renderers.enable("svg", embed_options={"formatLocale": LOCALE})


def nothing(sentence: str) -> Picture:
    """A sentence in the place of a picture."""
    import altair as alt

    words = alt.Chart(alt.InlineData([{}])).mark_text(align="left", color=COLOURS["muted"][_is_dark()], fontSize=12)
    return words.encode(x=alt.value(0), text=alt.value(sentence)).properties(width=WHOLE, height=24)


def bands(
    frame: DataFrame,
    axis: str,
    setting: str,
    *,
    metrics: Sequence[str] | None = None,
    missing: str = "No finished run has these metrics.",
) -> Picture:
    """Curves of settings, one picture a metric: the mean over seeds, in a band of one standard error.

    The band is not the 95 % interval; final results have theirs. Two seeds have no band, as they have no interval.

    Args:
        frame: as `curves.seed_bands` gives it.
        axis, setting: columns: the axis, and what tells curves apart.
        metrics: what is drawn, in this order; None takes all that is there.
        missing: see above.
    """
    charts = []
    for name in _metrics(frame, metrics):
        groups = [(value, colour, part[part["metric"] == name]) for value, colour, part in _groups(frame, setting)]
        lines = [mean_line(part, axis, _text(value), colour) for value, colour, part in groups]
        charts.append(_of_metric(name, lines, axis))
    return _picture(charts, missing)


def run_lines(
    frame: DataFrame, axis: str, *, metrics: Sequence[str] | None = None, missing: str = "No run has these metrics."
) -> Picture:
    """Curves of single runs, as `curves.run_curves` gives them, one picture a metric; unfinished runs are dashed."""
    charts = []
    for name in _metrics(frame, metrics):
        groups = [(run, colour, part[part["metric"] == name]) for run, colour, part in _groups(frame, "run")]
        lines = [
            Line(run, _curve(part, axis, "value"), colour, "line" if set(part["state"]) <= {"finished"} else "dashed")
            for run, colour, part in groups
        ]
        charts.append(_of_metric(name, lines, axis))
    return _picture(charts, missing)


def outcome_areas(
    frame: DataFrame, axis: str, setting: str, *, missing: str = "No finished run tells the outcomes of its rollouts."
) -> Picture:
    """Shares of the outcomes over training, as `outcomes.outcome_curves` gives them, one picture a setting."""
    charts = []
    for value, _, part in _groups(frame, setting):
        there = [kind for kind in KINDS if kind in set(frame["outcome"])]
        lines = [Line(OUTCOMES[kind], _curve(part[part["outcome"] == kind], axis, "mean"), kind) for kind in there]
        charts.append(area_chart("", f"{setting}: {_text(value)}", lines, Axes(SHARE, axis), shares=True))
    return _picture(charts, missing, columns=2 if len(charts) in (2, 4) else 3)  # no row of one


def outcome_bars(
    frame: DataFrame, setting: str, *, missing: str = "No finished run tells its outcomes on test."
) -> Picture:
    """Outcomes of the test problems of each setting, as `outcomes.final_outcomes` gives them."""
    named = frame.assign(outcome=frame["outcome"].map(OUTCOMES)) if len(frame) else frame
    parts = {label: kind for kind, label in OUTCOMES.items()}
    return _stacked(named, setting, "outcome", parts, f"share of test problems by {setting}", missing)


def part_bars(
    frame: DataFrame, bar: str, part: str, order: Sequence[str], *, title: str, missing: str = "No run has these parts."
) -> Picture:
    """Shares (column `share`) that make a whole, one bar for each value of `bar`, in parts in their order."""
    return _stacked(frame, bar, part, dict(zip(order, setting_colours(order), strict=True)), title, missing)


def interval_points(
    frame: DataFrame, setting: str, *, title: str, seeds: DataFrame | None = None, missing: str = UNFINISHED
) -> Picture:
    """Means of settings with their intervals, cut at what is possible; a small dot for each seed.

    Args:
        frame: as `seeds.by_setting` gives it.
        setting: its column.
        title: of the value.
        seeds: as `seeds.per_seed` gives it.
        missing: see above.
    """
    each: dict[str, list[float]] = {}
    if seeds is not None and len(seeds):
        each = {_text(value): list(part["value"]) for value, part in seeds.groupby(setting, dropna=False)}
    rows = [_interval(row, setting, "mean", each=each.get(_text(row[setting]), ())) for _, row in frame.iterrows()]
    return _picture([interval_chart("", setting, rows, axis_title=title)], missing)


def difference_rules(
    frame: DataFrame, setting: str, *, title: str, missing: str = "There is no second setting with a seed in common."
) -> Picture:
    """Differences in points with their intervals, as `seeds.against` gives them, beside a line at none."""
    rows = [_interval(row, setting, "difference") for _, row in frame.iterrows()]
    return _picture([interval_chart("", setting, rows, unit=POINTS, axis_title=title)], missing)


def paper_points(frame: DataFrame, *, missing: str = UNFINISHED) -> Picture:
    """Our means with their intervals and the paper's, as `tables.main_table` gives them, one picture a model and data
    set."""
    charts = []
    title = "accuracy on test: ours with its interval, the paper's as diamonds"
    for where, part in frame.groupby(["data", "cot", "model"], sort=False) if len(frame) else ():
        each = [(row, stage_colour(row["method"])) for _, row in part.iterrows()]
        rows = [_interval(row, "method", "mean", colour=colour, other=row["paper"]) for row, colour in each]
        charts.append(interval_chart("", " ".join(map(_text, where)), rows, axis_title=title))
    return _picture(charts, missing)


def reward_ranges(frame: DataFrame, *, missing: str = NO_SAMPLES) -> Picture:
    """Mean reward of each outcome and its range, as `reward_audit.reward_by_outcome` gives them, one picture a
    reward."""
    charts = []
    for reward, _, part in _groups(frame, "reward"):
        each = part[["outcome", "mean", "lowest", "highest"]].to_numpy().tolist()
        in_order = sorted(each, key=lambda row: KINDS.index(row[0]))
        rows = [Interval(OUTCOMES[kind], mean, low, high, kind) for kind, mean, low, high in in_order]
        charts.append(interval_chart("", reward, rows, unit="reward", axis_title="mean reward, and its range"))
    return _picture(charts, missing, columns=3)


def reward_scatter(frame: DataFrame, *, missing: str = "No run has iterations of ReFT.") -> Picture:
    """Mean reward against accuracy, as `reward_audit.reward_and_accuracy` gives them, a dot an iteration, beside the
    line on which right answers alone are paid."""
    names, columns = ("accuracy of the rollouts", "mean reward", "iteration"), ["accuracy", "mean_reward", "iteration"]
    groups = [(reward, part[columns].to_numpy(float).tolist()) for reward, _, part in _groups(frame, "reward")]
    return _picture((scatter_chart(reward, dots, names) for reward, dots in groups), missing, columns=3)


def accuracy_map(frame: DataFrame, rows: str, columns: str, *, title: str, missing: str = UNFINISHED) -> Picture:
    """The mean of every combination of two settings, as `seeds.by_setting` gives it, its standard error below."""
    cells = []
    for _, row in frame.iterrows():
        error = per_cent(row["standard_error"])
        below = f"± {error}, n = {row['n']:.0f}" if error else "two seeds" if row["n"] == 2 else "one seed"
        cells.append((_text(row[rows]), _text(row[columns]), row["mean"], below))
    return _picture([heat_map(title, cells, (rows, columns))] if cells else [], missing)


def _of_metric(name: str, lines: Sequence[Line], axis: str) -> Chart | None:
    found = find(name)
    axes = Axes(found.unit, axis, zero=False)
    return line_chart(name, found.label, lines, axes, about="" if name == found.label else name)


def _stacked(frame: DataFrame, bar: str, part: str, parts: dict[str, str], title: str, missing: str) -> Picture:
    rows = []
    for value, _, here in _groups(frame, bar):
        shares = dict(zip(here[part], here["share"].astype(float), strict=True))
        rows.append((_text(value), [shares.get(name, 0.0) for name in parts]))
    return _picture([stacked_bar_chart("", title, rows, list(parts.items()))], missing)


def _interval(row: Series, setting: str, value: str, **more: Any) -> Interval:
    return Interval(_text(row[setting]), float(row[value]), float(row["low"]), float(row["high"]), **more)


def _picture(charts: Iterable[Chart | None], missing: str, *, columns: int = 2) -> Picture:
    """Charts in rows, with titles and legends in the picture; a sentence where there is none."""
    import altair as alt

    parts = []
    for chart in filter(None, charts):
        title = {"text": chart.title} | ({"subtitle": chart.about} if chart.about else {})
        width = {"width": WHOLE // columns - BESIDE} if chart.spec["width"] == "container" else {}
        parts.append(chart.spec | width | {"title": title, "description": chart.summary})
    if not parts:
        return nothing(missing)
    spec: dict[str, Any] = {"concat": parts, "columns": columns, "padding": EDGE}
    if pointers := [pointer for part in parts for pointer in part.pop("params", ())]:
        spec["params"] = [pointers[0] | {"views": [view for each in pointers for view in each["views"]]}]
    # Tests compare it with the schema of Vega-Lite.
    return alt.ConcatChart.from_dict(painted(spec, _is_dark()), validate=False)


def _is_dark() -> bool:
    import altair as alt

    return bool(alt.theme.options.get("dark"))


def _groups(frame: DataFrame, column: str) -> list[tuple[Any, str, DataFrame]]:
    """The values of a column in their order, each with its colour and its rows."""
    groups = [] if frame.empty else list(frame.groupby(column, dropna=False))
    colours = setting_colours([value for value, _ in groups])
    return [(value, colour, part) for (value, part), colour in zip(groups, colours, strict=True)]


def _curve(rows: DataFrame, axis: str, value: str) -> list[tuple[float, float]]:
    rows = rows.sort_values(axis)
    return list(zip(rows[axis].astype(float), rows[value].astype(float), strict=True))


def _metrics(frame: DataFrame, wanted: Sequence[str] | None) -> list[str]:
    return list(dict.fromkeys(frame["metric"])) if wanted is None else list(wanted)


def _text(value: Any) -> str:
    return NAMES.get(value, four(value) if isinstance(value, float) else str(value))
