"""Charts with one line of text for each thing that is shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from reft_lab.report.figures import Figure, layered, variable

ROW = 26  # height of a line, in CSS pixels
LABEL = 190  # width of the words beside it, at most


def bar_chart(
    key: str, title: str, bars: Sequence[tuple[str, float, str]], *, unit: str, about: str = "", form: str = ",.3~r"
) -> Figure | None:
    """Horizontal bars of (label, value, colour) in the order given; `form` is the d3 format of the numbers."""
    import altair as alt

    if not bars:
        return None
    values = [{"label": label, "value": value, "colour": variable(colour)} for label, value, colour in bars]
    # Room on the right for the number of the longest bar.
    most = max(value for _, value, _ in bars) or 1
    base = alt.Chart().encode(y=_labels(), x=alt.X("value:Q", title=unit, scale=alt.Scale(domain=[0, 1.15 * most])))
    marks = base.mark_bar(height={"band": 0.62}, aria=False).encode(color=alt.Color("colour:N", scale=None))
    words = base.mark_text(align="left", dx=5, color=variable("ink"), aria=False)
    words = words.encode(text=alt.Text("value:Q", format=form))
    spec = layered([marks, words], values, ROW * len(bars))
    told = "; ".join(f"{label}: {value:.4g}" for label, value, _ in bars)
    return Figure(key, title, about, [], spec, rows=True, summary=f"{title} ({unit}). {told}.")


def stacked_bar_chart(
    key: str, title: str, rows: Sequence[tuple[str, Sequence[float]]], parts: Sequence[tuple[str, str]]
) -> Figure | None:
    """One bar a row, cut into shares of its sum.

    Args:
        key, title: as in a Figure.
        rows: (label, values), a value for each part.
        parts: (label, colour) of the parts, from left to right; those that are 0 in all rows are left out.
    """
    import altair as alt

    parts_used = [index for index in range(len(parts)) if any(values[index] for _, values in rows)]
    if not parts_used:
        return None
    values = [
        {"label": label, "part": order, "name": parts[index][0], "value": numbers[index] / sum(numbers)}
        for label, numbers in rows
        for order, index in enumerate(parts_used)
        if sum(numbers)
    ]
    colours = [variable(parts[index][1]) for index in parts_used]
    marks = (
        alt.Chart()
        .mark_bar(height={"band": 0.7}, aria=False)
        .encode(
            y=_labels(),
            x=alt.X("value:Q", title=None, stack="zero", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("part:N", legend=None, scale=alt.Scale(domain=list(range(len(parts_used))), range=colours)),
            order=alt.Order("part:O"),
            tooltip=[
                alt.Tooltip("label:N", title="setting"),
                alt.Tooltip("name:N", title="outcome"),
                alt.Tooltip("value:Q", title="share", format=".1%"),
            ],
        )
    )
    spec = layered([marks], values, ROW * len(rows))
    told = "; ".join(
        f"{label}: "
        + ", ".join(f"{parts[i][0]} {100 * numbers[i] / sum(numbers):.0f} %" for i in parts_used if numbers[i])
        for label, numbers in rows
        if sum(numbers)
    )
    legend = [(parts[index][0], parts[index][1], "area") for index in parts_used]
    return Figure(key, title, "", legend, spec, wide=True, rows=True, summary=f"{title}. {told}.")


def interval_chart(
    key: str,
    title: str,
    rows: Sequence[tuple[str, float, float, float, str]],
    *,
    form: str = "%",
    zero_line: bool = False,
    about: str = "",
) -> Figure | None:
    """Dots with intervals of (label, value, low, high, colour); low and high are nan where there is none.

    Args:
        key, title, about: as in a Figure.
        rows: from the top down.
        form: d3 format of the axis.
        zero_line: whether a line stands at 0.
    """
    import altair as alt

    if not rows:
        return None
    values = [
        {"label": label, "value": value, "colour": variable(colour)}
        | ({} if math.isnan(low) else {"low": low, "high": high})
        for label, value, low, high, colour in rows
    ]
    base = alt.Chart().encode(y=_labels(), color=alt.Color("colour:N", scale=None))
    axis = alt.Axis(format=form, tickCount=5, grid=True)
    span = alt.X("low:Q", title=None, axis=axis, scale=alt.Scale(zero=False, padding=12))
    rule = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=3, opacity=0.5, aria=False)
    digits = ".1%" if form.endswith("%") else ".3~g"
    tips = [
        alt.Tooltip("label:N", title="what"),
        *(alt.Tooltip(f"{name}:Q", title=title, format=digits) for name, title in TIPS),
    ]
    dots = base.mark_point(filled=True, size=70, opacity=1, aria=False).encode(x=alt.X("value:Q"), tooltip=tips)
    layers: list[Any] = [rule.encode(x=span, x2="high"), dots]
    if zero_line:
        zero = alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(color=variable("muted"), aria=False)
        layers.insert(0, zero.encode(x="zero:Q"))
    spec = layered(layers, values, ROW * len(rows))
    told = "; ".join(f"{label}: {100 * value:.1f} %" for label, value, *_ in rows)
    return Figure(key, title, about, [], spec, rows=True, summary=f"{title}. {told}.")


TIPS = (("value", "value"), ("low", "from"), ("high", "to"))


def _labels() -> Any:
    import altair as alt

    axis = alt.Axis(domain=False, ticks=False, grid=False, labelLimit=LABEL, minExtent=0)
    return alt.Y("label:N", sort=None, title=None, axis=axis)
