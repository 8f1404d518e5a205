"""Charts of areas on top of each other."""

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


def area_chart(
    key: str,
    title: str,
    parts: Sequence[Line],
    axes: Axes,
    *,
    shares: bool,
    about: str = "",
    wide: bool = False,
) -> Figure | None:
    """Areas stacked from the bottom up. Parts that are always 0 are left out; None where all are.

    Args:
        key, title, axes, about, wide: as in a Figure.
        parts: the areas.
        shares: whether the height is shares of the sum at each x, else the sum itself.
    """
    import altair as alt

    parts = [part for part in parts if any(value for _, value in part.points)]
    if not parts:
        return None
    x = x_of(axes, parts)
    keys: list[Any] = [f"s{index}" for index in range(len(parts))]
    y = alt.Y("height:Q", title=axes.y, stack="normalize" if shares else "zero", axis=y_axis_of(axes))
    colours = alt.Scale(domain=keys, range=[variable(part.colour) for part in parts])
    areas = (
        alt.Chart()
        .transform_fold(keys, as_=["part", "height"])
        .mark_area(aria=False)
        .encode(x=x, y=y, color=alt.Color("part:N", legend=None, scale=colours), order=alt.Order("part:O"))
    )
    layers = [areas, *([seam(axes.stretch)] if axes.stretch else []), pointer(axes, parts, x)]
    spec = layered(layers, joined(parts, fill=0), HEIGHT)
    legend = [(part.label, part.colour, "area") for part in parts]
    return Figure(
        key,
        title,
        about,
        legend,
        spec,
        wide,
        summary=summary(title, axes, parts),
    )
