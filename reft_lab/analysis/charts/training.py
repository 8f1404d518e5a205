"""Training as curves: settings with bands over seeds, single runs, and where their time went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reft_lab.analysis.charts.look import PER_CENT, axis_of, colour_of, field, nothing, values_of

if TYPE_CHECKING:
    from pandas import DataFrame

    from reft_lab.analysis.charts.look import Picture

COLUMNS = 2  # pictures in a row


def bands(
    frame: DataFrame,
    axis: str,
    setting: str,
    *,
    metrics: Sequence[str] | None = None,
    missing: str = "No finished run has these metrics.",
) -> Picture:
    """Curves of settings, one small picture a metric: the mean over seeds, in a band of one standard error.

    The band is not the 95 % interval, which from two seeds is wider than the picture; final results have theirs.

    Args:
        frame: as `curves.seed_bands` gives it.
        axis: the column that is the axis.
        setting: the column that tells curves apart.
        metrics: what is drawn, in this order; None takes all that is there.
        missing: what is said where there is nothing to draw.
    """
    import altair as alt

    pictures = []
    for metric, part in _parts(frame, metrics):
        base = alt.Chart(part, title=metric).encode(x=axis_of(axis), color=colour_of(part, setting))
        edges = base.transform_calculate(
            bottom="datum.mean - datum.standard_error", top="datum.mean + datum.standard_error"
        ).transform_filter("isValid(datum.standard_error)")
        band = edges.mark_area(opacity=0.2).encode(alt.Y("bottom:Q", title=None), alt.Y2("top"))
        line = base.mark_line(point=_few(part, axis)).encode(values_of("mean"))
        pictures.append(band + line)
    return alt.concat(*pictures, columns=COLUMNS) if pictures else nothing(missing)


def run_lines(
    frame: DataFrame,
    axis: str,
    *,
    metrics: Sequence[str] | None = None,
    missing: str = "No run has these metrics.",
) -> Picture:
    """Curves of single runs, one small picture a metric; runs that are not finished are dashed.

    Args:
        frame: as `curves.run_curves` gives it.
        axis: the column that is the axis.
        metrics: what is drawn, in this order; None takes all that is there.
        missing: what is said where there is nothing to draw.
    """
    import altair as alt

    pictures = []
    for metric, part in _parts(frame, metrics):
        line = alt.Chart(part, title=metric).mark_line(opacity=0.85, strokeWidth=1.5, point=_few(part, axis))
        dash = alt.condition("datum.state == 'finished'", alt.value([1, 0]), alt.value([4, 3]))
        pictures.append(
            line.encode(axis_of(axis), values_of("value"), alt.Color("run:N", title="run"), strokeDash=dash)
        )
    return alt.concat(*pictures, columns=COLUMNS) if pictures else nothing(missing)


def part_bars(
    frame: DataFrame, bar: str, part: str, order: Sequence[str], *, title: str, missing: str = "No run has these parts."
) -> Picture:
    """Shares that make a whole, as bars.

    Args:
        frame: has columns `bar`, `part` and share.
        bar: what a bar is of.
        part: what it is made of.
        order: the parts from left to right.
        title: of the share.
        missing: what is said where there is nothing to draw.
    """
    import altair as alt

    if frame.empty:
        return nothing(missing)
    placed = frame.assign(place=frame[part].map({name: place for place, name in enumerate(order)}))
    there = [name for name in order if name in set(frame[part])]
    colour = alt.Color(field(part), type="nominal", title=part, scale=alt.Scale(domain=there, scheme="tableau10"))
    x = alt.X("share:Q", title=title, axis=alt.Axis(format=PER_CENT), stack="zero", scale=alt.Scale(domain=[0, 1]))
    bars = alt.Chart(placed).mark_bar()
    return bars.encode(x, alt.Y(field(bar), type="nominal", title=bar), colour, alt.Order("place:Q"))


def _few(part: DataFrame, axis: str) -> bool:
    """Whether places are so few that each is shown; of a single one there is no line."""
    return bool(part[axis].nunique() <= 20)


def _parts(frame: DataFrame, metrics: Sequence[str] | None) -> list[tuple[str, DataFrame]]:
    """The rows of each metric that is there, in the order wanted."""
    names = list(dict.fromkeys(frame["metric"])) if metrics is None else list(metrics)
    parts = [(name, frame[frame["metric"] == name]) for name in names]
    return [(name, part) for name, part in parts if not part.empty]
