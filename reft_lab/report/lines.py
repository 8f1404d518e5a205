"""Charts of curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reft_lab.report.figures import (
    HEIGHT,
    Axes,
    Figure,
    Line,
    joined,
    layered,
    pointer,
    seam,
    summary,
    variable,
    x_of,
    y_axis_of,
)

STROKES: dict[str, dict[str, Any]] = {
    "line": {"strokeWidth": 2},
    "dots": {"strokeWidth": 2},
    "thin": {"strokeWidth": 1.2, "opacity": 0.6},
    "dashed": {"strokeWidth": 1.6, "strokeDash": [5, 4]},
}


def line_chart(
    key: str, title: str, lines: Sequence[Line], axes: Axes, *, about: str = "", wide: bool = False
) -> Figure | None:
    """Curves over a common axis; the pointer shows all values at an x. None where no curve has a point."""
    import altair as alt

    lines = [line for line in lines if line.points]
    if not lines:
        return None
    x = x_of(axes, lines)
    y_axis = {"title": axes.y, "axis": y_axis_of(axes), "scale": _y_scale(lines, axes.zero)}
    layers: list[Any] = []
    for index, line in enumerate(lines):
        if line.band:
            band = alt.Chart().transform_filter(f"isValid(datum.l{index})")
            band = band.mark_area(color=variable(line.colour), opacity=0.18, aria=False)
            layers.append(band.encode(x=x, y=alt.Y(f"l{index}:Q", **y_axis), y2=f"h{index}"))
    for index, line in enumerate(lines):
        base = alt.Chart().transform_filter(f"isValid(datum.s{index})").encode(x=x, y=alt.Y(f"s{index}:Q", **y_axis))
        layers.append(base.mark_line(color=variable(line.colour), aria=False, **STROKES[line.style]))
        if line.style == "dots" or len(line.points) == 1:
            layers.append(base.mark_point(filled=True, color=variable(line.colour), size=22, opacity=1, aria=False))
    layers += [_limit(value, label) for value, label in axes.limits]
    if axes.stretch:
        layers.append(seam(axes.stretch))
    layers.append(pointer(axes, lines, x))
    spec = layered(layers, joined(lines), HEIGHT)
    legend = [(line.label, line.colour, line.style) for line in lines]
    return Figure(key, title, about, legend, spec, wide, summary=summary(title, axes, lines))


def _y_scale(lines: Sequence[Line], zero: bool) -> Any:
    import altair as alt

    if all(y == 0 for line in lines for _, y in line.points):
        return alt.Scale(domain=[0, 1])  # a flat line at the foot of the chart, not in its middle
    return alt.Scale(zero=zero)


def _limit(value: float, label: str) -> Any:
    import altair as alt

    base = alt.Chart(alt.InlineData(values=[{"limit": value, "label": label}])).encode(y=alt.Y("limit:Q"))
    rule = base.mark_rule(color=variable("muted"), strokeDash=[2, 3], aria=False)
    words = base.mark_text(align="left", dx=4, dy=-6, color=variable("muted"), aria=False)
    return rule + words.encode(text="label:N", x=alt.value(0))
