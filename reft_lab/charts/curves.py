"""Charts of curves, beside and on top of each other."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reft_lab.charts.chart import (
    MUTED,
    Axes,
    Chart,
    Line,
    coloured,
    is_near_zero,
    layered,
    number_axis,
    pointer,
    records,
    seam,
    summary,
    tools,
    x_axis,
)
from reft_lab.metrics import SHARE, find

if TYPE_CHECKING:
    from pandas import DataFrame

STROKES: dict[str, dict[str, Any]] = {
    "line": {"strokeWidth": 2},
    "dots": {"strokeWidth": 2},
    "thin": {"strokeWidth": 1.2, "opacity": 0.6},
    "dashed": {"strokeWidth": 1.6, "strokeDash": [5, 4]},
}
FEW_POINTS = 40  # a curve of fewer shows each


def line_chart(
    key: str, title: str, lines: Sequence[Line], axes: Axes, *, about: str = "", wide: bool = False, note: str = ""
) -> Chart | None:
    """Curves over a common axis; the pointer shows all values at an x. None where no curve has a point."""
    import altair as alt

    drawn = [line for line in lines if line.points]
    if not drawn:
        return None
    colours = coloured([(line.label, line.colour) for line in lines])
    x = x_axis(axes, drawn)
    values = [y for line in drawn for _, y in line.points]
    if not any(values):  # a curve of zeros lies at the foot of the chart, not in its middle
        scale = alt.Scale(domain=[0, 1])
    else:
        foot: dict[str, Any] = {"domainMin": 0} if is_near_zero(min(values), max(values)) else {}
        # A straight line says nothing without 0.
        scale = alt.Scale(zero=axes.zero or min(values) == max(values), **foot)
    y = {"title": axes.y, "axis": number_axis(axes.y), "scale": scale}
    bands, curves = [], []
    for index, line in enumerate(lines):
        colour = alt.Color("label:N", **colours) if line is drawn[0] else alt.Color("label:N", title=None)
        there = alt.Chart().transform_calculate(label=json.dumps(line.label)).encode(x=x, color=colour)
        if line.band:
            band = there.transform_filter(f"isValid(datum.l{index})").mark_area(opacity=0.18, aria=False)
            bands.append(band.encode(alt.Y(f"l{index}:Q", **y), alt.Y2(f"h{index}")))
        if line.points:
            there = there.transform_filter(f"isValid(datum.s{index})").encode(alt.Y(f"s{index}:Q", **y))
            curves.append(there.mark_line(aria=False, **STROKES[line.style]))
            if line.style == "dots" or len(line.points) == 1:
                curves.append(there.mark_point(filled=True, size=22, opacity=1, aria=False))
    limits = [layer for value, label in axes.limits for layer in _limit(value, label)]
    spec = layered([*bands, *curves, *limits, *seam(axes), pointer(axes, lines, x)], records(lines))
    legend = [(line.label, line.colour, line.style) for line in drawn]
    told = summary(title, axes, drawn)
    return Chart(key, title, about, legend, spec, wide, summary=told, note=note, tools=tools(axes, drawn, log=True))


def area_chart(
    key: str,
    title: str,
    parts: Sequence[Line],
    axes: Axes,
    *,
    shares: bool,
    about: str = "",
    wide: bool = False,
) -> Chart | None:
    """Areas stacked from the bottom up. Parts that are always 0 are left out; None where all are.

    Args:
        key, title, axes, about, wide: as in a Chart.
        parts: the areas.
        shares: whether the height is shares of the sum at each x, else the sum itself.
    """
    import altair as alt

    parts = [part if any(value for _, value in part.points) else replace(part, points=[]) for part in parts]
    drawn = [part for part in parts if part.points]
    if not drawn:
        return None
    keys: list[Any] = [f"s{index}" for index, part in enumerate(parts) if part.points]
    x = x_axis(axes, drawn)
    height = alt.Y("height:Q", title=axes.y, stack="normalize" if shares else "zero", axis=number_axis(axes.y))
    labels = {key: part.label for key, part in zip(keys, drawn, strict=True)}
    areas = alt.Chart().transform_fold(keys, as_=["part", "height"])
    areas = areas.transform_calculate(label=f"({json.dumps(labels)})[datum.part]").mark_area(aria=False)
    colour = alt.Color("label:N", **coloured([(part.label, part.colour) for part in parts]))
    areas = areas.encode(x, height, colour, alt.Order("part:O"))
    spec = layered([areas, *seam(axes), pointer(axes, parts, x)], records(parts, fill=0))
    legend = [(part.label, part.colour, "area") for part in drawn]
    told = summary(title, axes, drawn)
    return Chart(key, title, about, legend, spec, wide, summary=told, tools=tools(axes, drawn, log=False))


def _limit(value: float, label: str) -> list[Any]:
    import altair as alt

    base = alt.Chart(alt.InlineData(values=[{"limit": value, "label": label}])).encode(y="limit:Q")
    words = base.mark_text(align="left", dx=4, dy=-6, **MUTED).encode(text="label:N", x=alt.value(0))
    return [base.mark_rule(strokeDash=[2, 3], **MUTED), words]


def mean_line(rows: DataFrame, axis: str, label: str, colour: str) -> Line:
    """A curve of means in a band of one standard error to either side.

    Args:
        rows: of one setting and metric, as `analysis.curves.seed_bands` gives them.
        axis: the column that is the axis.
        label, colour: of the line.
    """
    rows = rows.sort_values(axis)
    each = [tuple(map(float, row)) for row in rows[[axis, "mean", "standard_error"]].to_numpy()]
    is_share = set(rows["metric"].map(lambda name: find(name).unit)) <= {SHARE}
    least, most = (0.0, 1.0) if is_share else (-math.inf, math.inf)
    curve = [(x, short(mean)) for x, mean, _ in each]
    ends = [(x, max(mean - error, least), min(mean + error, most)) for x, mean, error in each if not math.isnan(error)]
    band = [(x, short(low), short(high)) for x, low, high in ends]
    return Line(label, curve, colour, "dots" if len(curve) < FEW_POINTS else "line", band)


def short(value: float) -> float:
    """As exact as a picture can show."""
    return float(f"{value:.4g}")
