"""Charts, as Vega-Lite specifications made with altair.

Colours are names of CSS variables of the page (`templates/style.css`), so charts follow its theme by themselves.
Titles and legends are HTML, so they wrap on a phone and read well to a screen reader.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reft_lab.report.curves import Points

HEIGHT = 220


@dataclass(frozen=True)
class Line:
    """One curve of a chart.

    Attributes:
        label: what it is, for the legend.
        points: (x, y), x rising.
        colour: name of a CSS variable without its dashes: `reft`, `correct`, ...
        style: `line`, `thin` (faint, for noisy curves), `dots` (a line with its points), `dashed`.
        band: (x, low, high) of a band around the line, none if empty.
    """

    label: str
    points: Points
    colour: str
    style: str = "line"
    band: Sequence[tuple[float, float, float]] = ()


@dataclass(frozen=True)
class Axes:
    """How a chart is laid out.

    Attributes:
        x, y: titles of the axes.
        y_format: a d3 format of the numbers, `.0%` for shares.
        stretch: (start, seam, end) of an x axis whose part before the seam takes a third of the width; None: a plain
            one.
        span: (first, last) of a plain x axis; None: where the data is.
        limits: (value, label) of horizontal lines.
        zero: whether y begins at 0.
    """

    x: str
    y: str
    y_format: str = ".3~g"
    stretch: tuple[float, float, float] | None = None
    span: tuple[float, float] | None = None
    limits: Sequence[tuple[float, str]] = ()
    zero: bool = True


@dataclass(frozen=True)
class Figure:
    """A chart and the words around it.

    Attributes:
        key: id in the page.
        title, about: heading, and one or two sentences below it.
        legend: (label, colour, style).
        spec: the Vega-Lite specification.
        wide: whether it takes the whole width of a desktop page.
        summary: what a screen reader says of it.
    """

    key: str
    title: str
    about: str
    legend: Sequence[tuple[str, str, str]]
    spec: dict[str, Any] = field(repr=False)
    wide: bool = False
    summary: str = ""


def line_chart(
    key: str, title: str, lines: Sequence[Line], axes: Axes, *, about: str = "", wide: bool = False
) -> Figure | None:
    """A chart of curves over a common axis; hovering names all values there. None where no line has a point."""
    import altair as alt

    lines = [line for line in lines if line.points]
    if not lines:
        return None
    x = alt.X("x:Q", title=axes.x, scale=_x_scale(axes, lines), axis=_x_axis(axes))
    layers: list[Any] = []
    for index, line in enumerate(lines):
        y = alt.Y(f"s{index}:Q", title=axes.y, scale=alt.Scale(zero=axes.zero), axis=alt.Axis(format=axes.y_format))
        valid = alt.Chart().transform_filter(f"isValid(datum.s{index})").encode(x=x, y=y)
        colour = f"var(--{line.colour})"
        if line.band:
            layers.append(
                alt.Chart()
                .transform_filter(f"isValid(datum.l{index})")
                .mark_area(color=colour, opacity=0.18, aria=False)
                .encode(x=x, y=alt.Y(f"l{index}:Q", title=axes.y), y2=f"h{index}")
            )
        layers.append(valid.mark_line(color=colour, aria=False, **_stroke(line.style)))
        if line.style == "dots" or len(line.points) == 1:
            layers.append(valid.mark_point(color=colour, fill=colour, size=14, opacity=1, aria=False))
    layers += [_limit(value, label) for value, label in axes.limits]
    if axes.stretch:
        layers.append(_seam(axes.stretch[1]))
    tips = [alt.Tooltip("x:Q", title=axes.x, format=",~r")]
    tips += [alt.Tooltip(f"s{i}:Q", title=line.label, format=_tip(axes)) for i, line in enumerate(lines)]
    layers.append(_pointer(x, tips))
    chart = alt.layer(*layers, data=alt.InlineData(values=_wide(lines)), width="container", height=HEIGHT)
    summary = "; ".join(f"{line.label}: {_told(line.points, axes)}" for line in lines)
    legend = [(line.label, line.colour, line.style) for line in lines]
    return Figure(key, title, about, legend, _spec(chart), wide, f"{title}. {summary}.")


def share_chart(
    key: str,
    title: str,
    shares: Mapping[str, Points],
    axes: Axes,
    *,
    colours: Mapping[str, str] | None = None,
    about: str = "",
    wide: bool = False,
    normalize: bool = True,
) -> Figure | None:
    """Areas stacked on each other; `normalize` makes shares of them. Parts that are always 0 are left out.

    Args:
        shares: curves by label, from the bottom up.
        colours: name of a colour by label; a label is its own colour where it is not given.
    """
    import altair as alt

    shares = {label: points for label, points in shares.items() if any(value for _, value in points)}
    if not shares:
        return None
    named = {label: (colours or {}).get(label, label) for label in shares}
    lines = [Line(label, points, named[label]) for label, points in shares.items()]
    x = alt.X("x:Q", title=axes.x, scale=_x_scale(axes, lines), axis=_x_axis(axes))
    keys = [f"s{index}" for index in range(len(lines))]
    area = (
        alt.Chart()
        .transform_fold(keys, as_=["part", "share"])
        .mark_area(aria=False, line=False)
        .encode(
            x=x,
            y=alt.Y(
                "share:Q",
                title=axes.y,
                stack="normalize" if normalize else "zero",
                axis=alt.Axis(format=axes.y_format),
            ),
            color=alt.Color(
                "part:N", legend=None, scale=alt.Scale(domain=keys, range=[f"var(--{line.colour})" for line in lines])
            ),
            order=alt.Order("part:N", sort="ascending"),
        )
    )
    tips = [alt.Tooltip("x:Q", title=axes.x, format=",~r")]
    tips += [alt.Tooltip(f"{k}:Q", title=line.label, format=_tip(axes)) for k, line in zip(keys, lines, strict=True)]
    layers = [area, *([_seam(axes.stretch[1])] if axes.stretch else []), _pointer(x, tips)]
    chart = alt.layer(*layers, data=alt.InlineData(values=_wide(lines, fill=0)), width="container", height=HEIGHT)
    summary = "; ".join(f"{line.label}: {_told(line.points, axes)}" for line in lines)
    legend = [(line.label, line.colour, "area") for line in lines]
    return Figure(key, title, about, legend, _spec(chart), wide, f"{title}. {summary}.")


def bar_chart(
    key: str, title: str, bars: Sequence[tuple[str, float, str]], *, unit: str, about: str = "", fmt: str = ",.3~r"
) -> Figure | None:
    """Horizontal bars of (label, value, colour), in the order given."""
    import altair as alt

    if not bars:
        return None
    values = [{"label": label, "value": value, "colour": f"var(--{colour})"} for label, value, colour in bars]
    base = alt.Chart(alt.InlineData(values=values)).encode(
        y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(domain=False, ticks=False, labelLimit=190)),
        x=alt.X("value:Q", title=unit),
    )
    marks = base.mark_bar(height={"band": 0.62}, aria=False).encode(color=alt.Color("colour:N", scale=None))
    texts = base.mark_text(align="left", dx=5, color="var(--ink)", aria=False).encode(
        text=alt.Text("value:Q", format=fmt)
    )
    chart = alt.layer(marks, texts, width="container", height=26 * len(bars))
    summary = "; ".join(f"{label}: {value:.4g}" for label, value, _ in bars)
    return Figure(key, title, about, [], _spec(chart), False, f"{title} ({unit}). {summary}.")


def _spec(chart: Any) -> dict[str, Any]:
    spec: dict[str, Any] = chart.to_dict(validate=False)
    spec.pop("config", None)  # the page has one for all
    spec.pop("$schema", None)
    return spec


def _wide(lines: Sequence[Line], fill: float | None = None) -> list[dict[str, float]]:
    """One record for each x, with the value of line i as `s{i}` and its band as `l{i}` and `h{i}`."""
    rows: dict[float, dict[str, float]] = {}
    for index, line in enumerate(lines):
        for x, y in line.points:
            rows.setdefault(x, {"x": x})[f"s{index}"] = y
        for x, low, high in line.band:
            rows.setdefault(x, {"x": x}).update({f"l{index}": low, f"h{index}": high})
    ordered = [rows[x] for x in sorted(rows)]
    if fill is None:
        return ordered
    return [{f"s{index}": fill for index in range(len(lines))} | row for row in ordered]


def _x_scale(axes: Axes, lines: Sequence[Line]) -> Any:
    import altair as alt

    if axes.stretch:
        start, seam, end = axes.stretch
        return alt.Scale(
            domain=[start, seam, end], range=[0, {"expr": "width / 3"}, {"expr": "width"}], nice=False, zero=False
        )
    if axes.span:
        return alt.Scale(domain=list(axes.span), nice=False, zero=False)
    low = min(line.points[0][0] for line in lines)
    return alt.Scale(nice=False, zero=low >= 0 and low < 2)


def _x_axis(axes: Axes) -> Any:
    import altair as alt

    if not axes.stretch:
        return alt.Axis(format=",~r")
    start, seam, end = axes.stretch
    values = [start, round((start + seam) / 2), *(round(seam + (end - seam) * part / 4) for part in range(5))]
    return alt.Axis(format=",~r", values=sorted(set(values)))


def _stroke(style: str) -> dict[str, Any]:
    if style == "thin":
        return {"strokeWidth": 1.2, "opacity": 0.6}
    if style == "dashed":
        return {"strokeWidth": 1.6, "strokeDash": [5, 4]}
    return {"strokeWidth": 2}


def _limit(value: float, label: str) -> Any:
    import altair as alt

    base = alt.Chart(alt.InlineData(values=[{"limit": value, "label": label}])).encode(y=alt.Y("limit:Q"))
    rule = base.mark_rule(color="var(--muted)", strokeDash=[2, 3], aria=False)
    words = base.mark_text(align="right", dy=-6, color="var(--muted)", aria=False).encode(
        text="label:N", x=alt.value("width")
    )
    return rule + words


def _seam(step: float) -> Any:
    import altair as alt

    base = alt.Chart(alt.InlineData(values=[{"x": step}])).encode(x="x:Q")
    rule = base.mark_rule(color="var(--muted)", aria=False)
    left = base.mark_text(text="warm-up", align="right", dx=-6, dy=8, color="var(--muted)", aria=False)
    right = base.mark_text(text="ReFT", align="left", dx=6, dy=8, color="var(--muted)", aria=False)
    return rule + left.encode(y=alt.value(0)) + right.encode(y=alt.value(0))


def _pointer(x: Any, tips: list[Any]) -> Any:
    """A line under the pointer with the values there."""
    import altair as alt

    near = alt.selection_point(on="pointerover", clear="pointerout", encodings=["x"], empty=False, name="near")
    return (
        alt.Chart()
        .mark_rule(color="var(--muted)", strokeWidth=5, aria=False)
        .encode(x=x, tooltip=tips, opacity=alt.condition(near, alt.value(0.35), alt.value(0)))
        .add_params(near)
    )


def _tip(axes: Axes) -> str:
    return ".1%" if axes.y_format.endswith("%") else ".4~g"


def _told(points: Points, axes: Axes) -> str:
    def number(value: float) -> str:
        return f"{100 * value:.1f} %" if axes.y_format.endswith("%") else f"{value:.3g}"

    (first, start), (last, end) = points[0], points[-1]
    if len(points) == 1:
        return f"{number(start)} at {first:g}"
    return f"from {number(start)} at {first:g} to {number(end)} at {last:g}"


def interval_chart(key: str, title: str, bars: Sequence[tuple[str, float, float, float, str]]) -> Figure:
    """Dots with intervals of (label, value, low, high, colour), all as fractions; the interval may be nan."""
    import altair as alt

    values = [
        {"label": label, "value": value, "colour": f"var(--{colour})"}
        | ({} if math.isnan(low) else {"low": low, "high": high})
        for label, value, low, high, colour in bars
    ]
    base = alt.Chart().encode(
        y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(domain=False, ticks=False, labelLimit=190)),
        color=alt.Color("colour:N", scale=None),
    )
    span = alt.X("low:Q", title=None, axis=alt.Axis(format=".0%", tickCount=6), scale=alt.Scale(zero=False, padding=12))
    rule = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=3, opacity=0.45, aria=False)
    dots = base.mark_point(filled=True, size=70, opacity=1, aria=False).encode(
        x=alt.X("value:Q", title=None),
        tooltip=[
            alt.Tooltip("label:N", title="what"),
            alt.Tooltip("value:Q", title="accuracy", format=".1%"),
            alt.Tooltip("low:Q", title="from", format=".1%"),
            alt.Tooltip("high:Q", title="to", format=".1%"),
        ],
    )
    chart = alt.layer(
        rule.encode(x=span, x2="high"),
        dots,
        data=alt.InlineData(values=values),
        width="container",
        height=26 * len(bars),
    )
    summary = "; ".join(f"{label}: {100 * value:.1f} %" for label, value, *_ in bars)
    return Figure(key, title, "", [], _spec(chart), False, f"{title}. {summary}.")
