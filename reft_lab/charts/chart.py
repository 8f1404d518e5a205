"""What a chart is, and the pieces that charts are made of.

Every chart is a Vega-Lite specification with few rows of data, which pages draw in the browser and notebooks as SVG.
Its colours are variables of the palette.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reft_lab.answers.outcome import KINDS
from reft_lab.charts.palette import variable
from reft_lab.metrics import SHARE
from reft_lab.numbers import per_cent, plain, points

OUTCOMES = {kind: kind.replace("_", " ") for kind in KINDS}
POINTS = "points"  # the unit of differences of shares
HEIGHT = 210  # of the plot, in CSS pixels
FEW = 6  # an axis as short as this has a tick at each whole number; Vega would put some between and round them
FORMS, FORM = {SHARE: ".1%", POINTS: "+.1f"}, ".4~g"  # numbers of a unit under the pointer, as d3 has them
MUTED: dict[str, Any] = {"color": variable("muted"), "aria": False}

Curve = list[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """One curve of a chart.

    Attributes:
        label: what it is, for the legend.
        points: (x, y), x rising.
        colour: a name of the palette: `reft`, `correct`, ...
        style: `line`, `thin` (faint, for noisy curves), `dots` (a line with its points), `dashed`.
        band: (x, low, high) of a band around the line; none if empty.
    """

    label: str
    points: Curve
    colour: str
    style: str = "line"
    band: Sequence[tuple[float, float, float]] = ()


@dataclass(frozen=True)
class Axes:
    """How a chart of curves is laid out.

    Attributes:
        y: unit of the y axis; a SHARE is written in per cent.
        x: title of the x axis.
        stretch: (start, seam, end) of an x axis whose part before the seam takes a third of the width, and whose part
            behind it is counted from the seam; None: a plain one.
        parts: what stands to the left and to the right of the seam, in two words each: what is counted, and of what.
        span: (first, last) of a plain x axis; None: where the data is.
        limits: (value, label) of horizontal lines.
        zero: whether y begins at 0.
        log: whether x grows by factors; it has a tick at each of its values, so there should be few.
        course: whether x is the course of training, so that a page lets its reader zoom and smooth.
        counts: whether x is a whole number.
    """

    y: str
    x: str = "step"
    stretch: tuple[float, float, float] | None = None
    parts: tuple[tuple[str, str], tuple[str, str]] = (("", ""), ("", ""))
    span: tuple[float, float] | None = None
    limits: Sequence[tuple[float, str]] = ()
    zero: bool = True
    log: bool = False
    course: bool = False
    counts: bool = True

    @property
    def names(self) -> tuple[str, str]:
        """What x counts before and behind the seam: `step of warm-up`, `iteration of ReFT`."""
        if not self.stretch:
            return self.x, self.x
        (one, first), (other, second) = self.parts
        return f"{one} of {first}", f"{other} of {second}"

    @property
    def title(self) -> str:
        """What stands below the axis."""
        if not self.stretch:
            return self.x
        (one, first), (other, second) = self.parts
        return f"{one}s of {first}, then {other}s of {second}"

    def place(self, x: float) -> str:
        """An x in words: `iteration of ReFT 4`."""
        start = self.stretch[1] if self.stretch and x > self.stretch[1] else 0
        return f"{self.names[start > 0]} {plain(x - start)}"


@dataclass(frozen=True)
class Chart:
    """A chart and the words around it.

    Attributes:
        key: id in a page.
        title, about: heading, and one or two sentences below it.
        note: more words, below the chart.
        legend: (label, colour, style).
        spec: the Vega-Lite specification, as wide as its place, without title and config.
        wide: whether it takes the whole width of a desktop page.
        rows: whether it has a line of text for each thing shown, so that its height is its own.
        summary: what a screen reader says of it.
        tools: what a reader may do with its curves: `group` names their axis, on which charts are zoomed together,
            `seam` is where that begins, and `log` whether values may be shown by factors. Empty: nothing.
    """

    key: str
    title: str
    about: str
    legend: Sequence[tuple[str, str, str]]
    spec: dict[str, Any] = field(repr=False)
    wide: bool = False
    rows: bool = False
    summary: str = ""
    note: str = ""
    tools: Mapping[str, Any] = field(default_factory=dict)


def layered(layers: Sequence[Any], rows: Sequence[Any], height: int = HEIGHT) -> dict[str, Any]:
    """The specification of altair charts on top of each other.

    Altair would copy and walk through the rows with each layer, and compare them with the schema of Vega-Lite, which
    takes twice as long as making them; so they come in at the end, and tests compare.

    Args:
        layers: from the bottom up.
        rows: the data of all layers that have none of their own, as records.
        height: of the plot, in CSS pixels.
    """
    import altair as alt

    chart = alt.layer(*layers, data=alt.NamedData(name="rows"), width="container", height=height)
    spec: dict[str, Any] = chart.to_dict(validate=False)
    apart = spec.get("datasets", {})  # altair collects the data of single layers, and the parts of a picture have none
    for layer in spec["layer"]:
        if "data" in layer:
            layer["data"] = {"values": apart[layer["data"]["name"]]}
    shape = {name: spec[name] for name in ("layer", "params", "width", "height") if name in spec}
    return shape | {"data": {"values": rows}}


def records(lines: Sequence[Line], fill: float | None = None) -> list[dict[str, float]]:
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
    keys = {} if fill is None else {f"s{index}": fill for index, line in enumerate(lines) if line.points}
    return [keys | row for row in ordered]


def coloured(named: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The colours of things by (label, colour); their legend is drawn where the config does not disable legends."""
    import altair as alt

    labels, colours = [label for label, _ in named], [variable(colour) for _, colour in named]
    return {"title": None, "scale": alt.Scale(domain=labels, range=colours)}


def x_axis(axes: Axes, lines: Sequence[Line]) -> Any:
    """The horizontal position, of steps or other whole numbers."""
    import altair as alt

    low, high = min(line.points[0][0] for line in lines), max(line.points[-1][0] for line in lines)
    ticks: dict[str, Any] = {}
    if axes.stretch:
        start, seam, end = axes.stretch
        places: Any = [0, {"expr": "width / 3"}, {"expr": "width"}]
        scale = alt.Scale(domain=list(axes.stretch), range=places, nice=False, zero=False)
        after = (round(seam + (end - seam) * part / 4) for part in range(5))
        ticks["values"] = sorted({start, round((start + seam) / 2), *after})
        ticks["labelBound"] = False  # Vega would hold the labels behind the seam for outside
        ticks["labelExpr"] = f"format(datum.value - (datum.value > {seam} ? {seam} : 0), ',d')"
    elif axes.log:
        scale = alt.Scale(type="log", nice=False)
        ticks["values"] = sorted({x for line in lines for x, _ in line.points})
    else:
        span: Any = {"domain": list(axes.span)} if axes.span else {}
        scale = alt.Scale(nice=False, zero=low >= 0 and not span, **span)
        low, high = axes.span or (low, high)
        if high - low <= FEW:
            ticks["values"] = list(range(round(low), round(high) + 1))
    return alt.X("x:Q", title=axes.title, scale=scale, axis=alt.Axis(format=",d", **ticks))


def number_axis(unit: str, **options: Any) -> Any:
    """An axis of numbers of a unit."""
    import altair as alt

    forms: dict[str, dict[str, Any]] = {
        SHARE: {"format": "%"},
        POINTS: {"format": "+~f", "labelExpr": "datum.value ? datum.label : '0'"},
    }
    return alt.Axis(**forms.get(unit, {}), **options)


def tooltip(field_name: str, title: str, unit: str) -> Any:
    """A number of a unit under the pointer."""
    import altair as alt

    return alt.Tooltip(f"{field_name}:Q", title=title, format=FORMS.get(unit, FORM))


def written(value: float, unit: str) -> str:
    """A number with its unit where that is short, for a summary."""
    return {SHARE: f"{per_cent(value)} %", POINTS: f"{points(value)} points"}.get(unit, plain(value))


def seam(axes: Axes) -> list[Any]:
    """A line between the two parts of a stretched axis."""
    import altair as alt

    if not axes.stretch:
        return []
    base = alt.Chart(alt.InlineData(values=[{"x": axes.stretch[1]}])).encode(x="x:Q")
    above = base.encode(y=alt.value(0))
    left = above.mark_text(text=axes.parts[0][1], align="right", dx=-6, dy=-8, **MUTED)
    right = above.mark_text(text=axes.parts[1][1], align="left", dx=6, dy=-8, **MUTED)
    return [base.mark_rule(**MUTED), left, right]


def pointer(axes: Axes, lines: Sequence[Line], x: Any) -> Any:
    """A line under the pointer, with the values of those lines that have a point there."""
    import altair as alt

    seam = axes.stretch[1] if axes.stretch else 0
    before, after = (
        f"{{{json.dumps(name)}: format(datum.x - {start}, '{',d' if axes.counts else '.3~g'}')}}"
        for name, start in zip(axes.names, (0, seam), strict=True)
    )
    parts = [f"datum.x > {seam} ? {after} : {before}"]
    for index, line in enumerate(lines):
        if line.points:
            told = f"{{{json.dumps(line.label)}: format(datum.s{index}, '{FORMS.get(axes.y, FORM)}')}}"
            parts.append(f"isValid(datum.s{index}) ? {told} : {{}}")
    tip = alt.ExprRef(f"merge({', '.join(parts)})")
    near = alt.selection_point(on="pointerover", clear="pointerout", encodings=["x"], empty=False, name="near")
    shown = alt.condition(near, alt.value(0.35), alt.value(0))
    rule = alt.Chart().mark_rule(strokeWidth=5, tooltip=tip, **MUTED)
    return rule.encode(x=x, opacity=shown).add_params(near)


def tools(axes: Axes, lines: Sequence[Line], *, log: bool) -> dict[str, Any]:
    """What a reader may do with a chart of curves; see Chart."""
    if not axes.course:
        return {}
    values = [value for line in lines for _, value in line.points]
    seam = axes.stretch[1] if axes.stretch else 0
    positive = is_near_zero(min(values), max(values)) or min(values) >= 0 < max(values)
    return {"group": axes.names[1], "seam": seam, "log": log and positive and axes.y not in FORMS}


def is_near_zero(low: float, high: float) -> bool:
    """Whether the lowest value is below 0 by no more than noise, beside the highest."""
    return -high / 100 < low < 0


def summary(title: str, axes: Axes, lines: Sequence[Line]) -> str:
    """A chart of curves in words: where each begins and ends."""

    def course(curve: Curve) -> str:
        (first, start), (last, end) = curve[0], curve[-1]
        if len(curve) == 1:
            return f"{written(start, axes.y)} at {axes.place(first)}"
        return f"from {written(start, axes.y)} at {axes.place(first)} to {written(end, axes.y)} at {axes.place(last)}"

    return f"{title}. " + "; ".join(f"{line.label}: {course(line.points)}" for line in lines) + "."
