"""What a chart of a page is, and the pieces that charts are made of.

Colours are names of CSS variables of the page (`templates/style.css`), so charts follow its theme by themselves.
Titles and legends are HTML, so they wrap on a phone and read well to a screen reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from reft_lab.report.curves import Points

HEIGHT = 210  # of the plot, in CSS pixels
FEW = 6  # an axis as short as this has a tick at each whole number; Vega would put some between and round them


@dataclass(frozen=True)
class Line:
    """One curve of a chart.

    Attributes:
        label: what it is, for the legend.
        points: (x, y), x rising.
        colour: name of a CSS variable without its dashes: `reft`, `correct`, ...
        style: `line`, `thin` (faint, for noisy curves), `dots` (a line with its points), `dashed`.
        band: (x, low, high) of a band around the line; none if empty.
    """

    label: str
    points: Points
    colour: str
    style: str = "line"
    band: Sequence[tuple[float, float, float]] = ()


class Stretch(NamedTuple):
    """An x axis whose part before the seam takes a third of the width, and what the two parts are called."""

    start: float
    seam: float
    end: float
    before: str
    after: str


@dataclass(frozen=True)
class Axes:
    """How a chart is laid out.

    Attributes:
        x, y: titles of the axes.
        y_format: a d3 format of the numbers, `%` for shares; empty: as it suits them.
        stretch: how a stretched x axis is laid out; None: a plain one.
        span: (first, last) of a plain x axis; None: where the data is.
        limits: (value, label) of horizontal lines.
        zero: whether y begins at 0.
    """

    x: str
    y: str
    y_format: str = ""
    stretch: Stretch | None = None
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
        rows: whether it has a line of text for each thing shown, so that its height is its own.
        summary: what a screen reader says of it.
    """

    key: str
    title: str
    about: str
    legend: Sequence[tuple[str, str, str]]
    spec: dict[str, Any] = field(repr=False)
    wide: bool = False
    rows: bool = False
    summary: str = ""


@contextmanager
def unchecked() -> Iterator[None]:
    """Charts made inside are not compared with the schema of Vega-Lite, which takes twice as long as making them."""
    from altair.utils import schemapi

    with schemapi.debug_mode(False):
        yield


def variable(colour: str) -> str:
    """A colour of the page, as CSS."""
    return f"var(--{colour})"


def layered(layers: Sequence[Any], rows: Sequence[Mapping[str, Any]], height: int) -> dict[str, Any]:
    """The Vega-Lite specification of altair charts on top of each other, as wide as their place in the page.

    Altair would copy and walk through the rows with each layer, so they come in at the end.

    Args:
        layers: from the bottom up.
        rows: the data of all layers that have none of their own.
        height: of the plot, in CSS pixels.
    """
    import altair as alt

    chart = alt.layer(*layers, data=alt.NamedData(name="rows"), width="container", height=height)
    spec: dict[str, Any] = chart.to_dict(validate=False) | {"data": {"values": rows}}
    spec.pop("config", None)  # the page has one for all charts
    spec.pop("$schema", None)
    return spec


def joined(lines: Sequence[Line], fill: float | None = None) -> list[dict[str, float]]:
    """One record for each x, with the value of line i as `s{i}` and its band as `l{i}` and `h{i}`.

    Labels of lines are words of people, with dots and brackets that Vega would take for paths.
    """
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


def x_of(axes: Axes, lines: Sequence[Line]) -> Any:
    """The horizontal position."""
    import altair as alt

    if axes.stretch:
        start, seam, end = axes.stretch[:3]
        width = {"expr": "width"}
        scale = alt.Scale(domain=[start, seam, end], range=[0, {"expr": "width / 3"}, width], nice=False, zero=False)
        ticks = {start, round((start + seam) / 2), *(round(seam + (end - seam) * part / 4) for part in range(5))}
        return alt.X("x:Q", title=axes.x, scale=scale, axis=alt.Axis(format=",d", values=sorted(ticks)))
    if axes.span:
        scale = alt.Scale(domain=list(axes.span), nice=False, zero=False)
    else:
        scale = alt.Scale(nice=False, zero=min(line.points[0][0] for line in lines) >= 0)
    low, high = axes.span or (min(line.points[0][0] for line in lines), max(line.points[-1][0] for line in lines))
    few: dict[str, Any] = {"values": list(range(round(low), round(high) + 1))} if high - low <= FEW else {}
    return alt.X("x:Q", title=axes.x, scale=scale, axis=alt.Axis(format=",d", **few))


def y_axis_of(axes: Axes) -> Any:
    """The vertical axis."""
    import altair as alt

    return alt.Axis(format=axes.y_format) if axes.y_format else alt.Axis()


def seam(stretch: Stretch) -> Any:
    """A line where the second part begins."""
    import altair as alt

    base = alt.Chart(alt.InlineData(values=[{"x": stretch.seam}])).encode(x="x:Q")
    rule = base.mark_rule(color=variable("muted"), aria=False)
    above = base.encode(y=alt.value(0))
    left = above.mark_text(text=stretch.before, align="right", dx=-6, dy=-8, color=variable("muted"), aria=False)
    right = above.mark_text(text=stretch.after, align="left", dx=6, dy=-8, color=variable("muted"), aria=False)
    return rule + left + right


def pointer(axes: Axes, lines: Sequence[Line], x: Any) -> Any:
    """A line under the pointer, with the values there."""
    import altair as alt

    tip = ".1%" if axes.y_format.endswith("%") else ".4~g"
    tips = [alt.Tooltip("x:Q", title=axes.x, format=",d")]
    tips += [alt.Tooltip(f"s{index}:Q", title=line.label, format=tip) for index, line in enumerate(lines)]
    near = alt.selection_point(on="pointerover", clear="pointerout", encodings=["x"], empty=False, name="near")
    return (
        alt.Chart()
        .mark_rule(color=variable("muted"), strokeWidth=5, aria=False)
        .encode(x=x, tooltip=tips, opacity=alt.condition(near, alt.value(0.35), alt.value(0)))
        .add_params(near)
    )


def summary(title: str, axes: Axes, lines: Sequence[Line]) -> str:
    """A chart in words: where each curve begins and ends."""
    return f"{title}. " + "; ".join(f"{line.label}: {_course(line.points, axes)}" for line in lines) + "."


def _course(points: Points, axes: Axes) -> str:
    def number(value: float) -> str:
        return f"{100 * value:.1f} %" if axes.y_format.endswith("%") else f"{value:.3g}"

    (first, start), (last, end) = points[0], points[-1]
    if len(points) == 1:
        return f"{number(start)} at {axes.x} {first:g}"
    return f"from {number(start)} at {axes.x} {first:g} to {number(end)} at {last:g}"
