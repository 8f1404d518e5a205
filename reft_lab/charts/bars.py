"""Charts with one line of text for each thing that is shown, and charts of two numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reft_lab.charts.chart import MUTED, POINTS, Chart, coloured, layered, number_axis, tooltip, written
from reft_lab.charts.palette import variable
from reft_lab.metrics import SHARE
from reft_lab.numbers import plain

ROW = 26  # height of a line, in CSS pixels
LABEL = 210  # width of the words beside it, at most
RAMP = [variable("seq-1"), variable("seq-6")]  # of a number; what is drawn with it must be painted


@dataclass(frozen=True)
class Interval:
    """A number with how sure it is.

    Attributes:
        label: what it is of.
        value: the number; nan where there is only `other`.
        low, high: the ends of its interval; nan where there is none.
        colour: a name of the palette.
        each: the numbers that it is the mean of.
        other: a number from elsewhere, drawn as a diamond.
    """

    label: str
    value: float
    low: float = math.nan
    high: float = math.nan
    colour: str = "reft"
    each: Sequence[float] = ()
    other: float = math.nan


def bar_chart(
    key: str, title: str, bars: Sequence[tuple[str, float, str]], *, unit: str, about: str = ""
) -> Chart | None:
    """Horizontal bars of (label, value, colour) in the order given."""
    import altair as alt

    if not bars:
        return None
    rows = [
        {"label": label, "value": value, "text": plain(value), "colour": variable(colour)}
        for label, value, colour in bars
    ]
    # Room on the right for the number of the longest bar.
    most = max(value for _, value, _ in bars) or 1
    labels = [label for label, *_ in bars]
    base = alt.Chart().encode(
        y=row_labels(labels), x=alt.X("value:Q", title=unit, scale=alt.Scale(domain=[0, 1.15 * most]))
    )
    marks = base.mark_bar(height={"band": 0.62}, aria=False).encode(color=alt.Color("colour:N", scale=None))
    words = base.mark_text(align="left", dx=5, color=variable("ink"), aria=False).encode(text="text:N")
    told = "; ".join(f"{label}: {plain(value)}" for label, value, _ in bars)
    spec = layered([marks, words], rows, ROW * len(bars))
    return Chart(key, title, about, [], spec, rows=True, summary=f"{title} ({unit}). {told}.")


def stacked_bar_chart(
    key: str, title: str, rows: Sequence[tuple[str, Sequence[float]]], parts: Sequence[tuple[str, str]]
) -> Chart | None:
    """One bar a row, cut into shares of its sum.

    Args:
        key, title: as in a Chart.
        rows: (label, values), a value for each part.
        parts: (label, colour) of the parts, from left to right; those that are 0 in all rows are left out.
    """
    import altair as alt

    used = [index for index in range(len(parts)) if any(values[index] for _, values in rows)]
    if not used:
        return None
    shares = {label: [values[index] / sum(values) for index in used] for label, values in rows if sum(values)}
    values = [
        {"label": label, "part": order, "name": parts[used[order]][0], "value": value}
        for label, each in shares.items()
        for order, value in enumerate(each)
    ]
    axis, whole = number_axis(SHARE), alt.Scale(domain=[0, 1])
    tips = [alt.Tooltip("label:N", title="of"), alt.Tooltip("name:N", title="part"), tooltip("value", SHARE, SHARE)]
    bars = alt.Chart().mark_bar(height={"band": 0.7}, aria=False)
    bars = bars.encode(
        alt.X("value:Q", title=None, stack="zero", axis=axis, scale=whole),
        row_labels([label for label, _ in rows]),
        alt.Color("name:N", **coloured([parts[index] for index in used])),
        alt.Order("part:O"),
        tooltip=tips,
    )
    told = "; ".join(
        f"{label}: "
        + ", ".join(f"{parts[i][0]} {100 * share:.0f} %" for i, share in zip(used, each, strict=True) if share)
        for label, each in shares.items()
    )
    legend = [(*parts[index], "area") for index in used]
    spec = layered([bars], values, ROW * len(rows))
    return Chart(key, title, "", legend, spec, wide=True, rows=True, summary=f"{title}. {told}.")


def interval_chart(
    key: str, title: str, rows: Sequence[Interval], *, unit: str = SHARE, axis_title: str | None = None, about: str = ""
) -> Chart | None:
    """Dots with intervals, from the top down; of shares and their differences, they are cut at what is possible.

    Args:
        key, title, about: as in a Chart.
        rows: what is shown.
        unit: of the numbers; differences in POINTS stand beside a line at 0.
        axis_title: of the number axis; None: none.
    """
    import altair as alt

    if not rows:
        return None
    least, most = {SHARE: (0.0, 1.0), POINTS: (-1.0, 1.0)}.get(unit, (-math.inf, math.inf))
    size = 100 if unit == POINTS else 1
    values = [
        {"label": row.label, "colour": variable(row.colour)}
        | ({} if math.isnan(row.value) else {"value": size * row.value})
        | ({} if math.isnan(row.low) else {"low": size * max(row.low, least), "high": size * min(row.high, most)})
        | {"each": list(row.each)}
        | ({} if math.isnan(row.other) else {"other": row.other})
        for row in rows
    ]
    base = alt.Chart().encode(y=row_labels([row.label for row in rows]), color=alt.Color("colour:N", scale=None))
    scale = alt.Scale(zero=False, nice=False, padding=12)
    place = {"title": axis_title, "axis": number_axis(unit, grid=True), "scale": scale}
    titles = {"value": "value", "low": "from", "high": "to"}
    tips = [alt.Tooltip("label:N", title="what"), *(tooltip(name, title, unit) for name, title in titles.items())]
    dots = base.mark_point(filled=True, size=70, opacity=1, aria=False).encode(alt.X("value:Q", **place), tooltip=tips)
    layers: list[Any] = [dots]
    if any("low" in row for row in values):
        rules = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=3, opacity=0.5, aria=False)
        layers.insert(0, rules.encode(alt.X("low:Q", **place), alt.X2("high")))
    if unit == POINTS:
        layers.insert(0, alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(**MUTED).encode(x="zero:Q"))
    if any(row.each for row in rows):
        singles = base.transform_flatten(["each"], as_=["one"]).mark_point(filled=True, size=18, yOffset=8, aria=False)
        layers.append(singles.encode(alt.X("one:Q")))
    if not all(math.isnan(row.other) for row in rows):
        diamonds = base.transform_filter("isValid(datum.other)").mark_point(shape="diamond", size=80, filled=True)
        layers.append(diamonds.encode(alt.X("other:Q"), color=alt.value(variable("ink"))))
    told = "; ".join(f"{row.label}: {written(row.value, unit)}" for row in rows if not math.isnan(row.value))
    spec = layered(layers, values, ROW * len(rows))
    return Chart(key, title, about, [], spec, rows=True, summary=f"{title}. {told}.")


def scatter_chart(title: str, dots: Sequence[tuple[float, float, float]], names: tuple[str, str, str]) -> Chart:
    """Dots of (x, y, order), from light to dark in their order, beside the line on which x and y are the same.

    Args:
        title: as in a Chart.
        dots: what is shown; x is a share.
        names: of x, y and the order.
    """
    import altair as alt

    rows = [{"x": x, "y": y, "order": order} for x, y, order in dots]
    x = alt.X("x:Q", title=names[0], axis=number_axis(SHARE))
    line = alt.Chart().mark_line(strokeDash=[4, 3], **MUTED).encode(x, alt.Y("x:Q", title=names[1]))
    ramp = alt.Scale(range=RAMP)
    points = alt.Chart().mark_circle(size=40, opacity=0.7).encode(x, alt.Y("y:Q"))
    points = points.encode(alt.Color("order:Q", title=names[2], scale=ramp))
    return Chart(title, title, "", [], layered([line, points], rows))


def heat_map(title: str, cells: Sequence[tuple[str, str, float, str]], names: tuple[str, str]) -> Chart:
    """The share of every combination of two settings, as (row, column, share, words below it).

    Args:
        title: as in a Chart.
        cells: what is shown; rows and columns are in the order of their first cells.
        names: of the rows and of the columns.
    """
    import altair as alt

    rows = [{"row": row, "column": column, "share": share, "below": below} for row, column, share, below in cells]
    middle = (min(share for _, _, share, _ in cells) + max(share for _, _, share, _ in cells)) / 2
    ink = alt.condition(f"datum.share > {middle}", alt.value(variable("paper")), alt.value(variable("ink")))
    base = alt.Chart().encode(
        alt.X("column:N", sort=None, title=names[1], axis=alt.Axis(labelAngle=0)),
        alt.Y("row:N", sort=None, title=names[0]),
    )
    shade = alt.Color("share:Q", title=title, scale=alt.Scale(range=RAMP), legend=alt.Legend(format=".1%"))
    layers = [
        base.mark_rect().encode(shade),
        base.mark_text(fontSize=14, dy=-7).encode(alt.Text("share:Q", format=".1%"), color=ink),
        base.mark_text(fontSize=10, dy=10).encode(alt.Text("below:N"), color=ink),
    ]
    spec = layered(layers, rows) | {"width": {"step": 110}, "height": {"step": 60}}
    return Chart(title, title, "", [], spec)


def row_labels(labels: Sequence[str]) -> Any:
    """The vertical position, with words to the left of each row."""
    import altair as alt

    axis = alt.Axis(domain=False, ticks=False, grid=False, labelLimit=LABEL, minExtent=0)
    return alt.Y("label:N", sort=list(labels), title=None, axis=axis)
