"""Settings beside one another: means with intervals, differences, and a map of two settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reft_lab.analysis.charts.look import PER_CENT, field, nothing
from reft_lab.analysis.published import NAMES

if TYPE_CHECKING:
    from pandas import DataFrame

    from reft_lab.analysis.charts.look import Picture

UNFINISHED = "No run is finished."


def interval_points(
    frame: DataFrame, setting: str, *, title: str, seeds: DataFrame | None = None, missing: str = UNFINISHED
) -> Picture:
    """One mean a setting with its interval, cut at what is possible; a small dot for each seed.

    Args:
        frame: as `seeds.by_setting` gives it, of fractions.
        setting: its column.
        title: of the value.
        seeds: as `seeds.per_seed` gives it.
        missing: what is said where there is nothing to draw.
    """
    import altair as alt

    if frame.empty:
        return nothing(missing)
    singles = [] if seeds is None else list(seeds["value"])
    reach = [*frame["mean"], *frame["low"].dropna(), *frame["high"].dropna(), *singles]
    scale = alt.Scale(domain=[max(0.0, min(reach)), min(1.0, max(reach))], nice=True)
    x = alt.X(field(setting), type="ordinal", title=setting, axis=alt.Axis(labelAngle=0))
    y = alt.Y("mean:Q", scale=scale, title=title, axis=alt.Axis(format=PER_CENT))
    rules = alt.Chart(frame).mark_rule(clip=True, strokeWidth=2).encode(x, alt.Y("low:Q", scale=scale), alt.Y2("high"))
    layers = [rules, alt.Chart(frame).mark_point(filled=True, size=90, opacity=1).encode(x, y)]
    if seeds is not None:
        dots = alt.Chart(seeds).mark_circle(size=25, color="#555", opacity=0.6, xOffset=9)
        layers.append(dots.encode(x, alt.Y("value:Q", scale=scale)))
    return alt.layer(*layers).properties(width=alt.Step(90))


def difference_rules(
    frame: DataFrame, setting: str, *, title: str, missing: str = "There is no second setting with a seed in common."
) -> Picture:
    """Differences in points with their intervals, beside a line at none.

    Args:
        frame: as `seeds.against` gives it, of fractions.
        setting: its column.
        title: of the difference.
        missing: what is said where there is nothing to draw.
    """
    import altair as alt

    if frame.empty:
        return nothing(missing)
    y = alt.Y(field(setting), type="ordinal", title=setting)
    x = alt.X("difference:Q", title=title, axis=alt.Axis(labelExpr="format(100 * datum.value, '+.3~g')"))
    none = alt.Chart(frame).mark_rule(color="#888", strokeDash=[4, 3]).encode(alt.XDatum(0))
    bars = alt.Chart(frame).mark_rule(strokeWidth=2).encode(alt.X("low:Q"), alt.X2("high"), y)
    means = alt.Chart(frame).mark_point(filled=True, size=80, opacity=1).encode(x, y)
    return alt.layer(none, bars, means).properties(height=alt.Step(32))


def paper_points(frame: DataFrame, *, missing: str = UNFINISHED) -> Picture:
    """Our means with their intervals and the paper's accuracies (diamonds), one picture a model and data set.

    Args:
        frame: as `tables.main_table` gives it.
        missing: what is said where there is nothing to draw.
    """
    import altair as alt

    if frame.empty:
        return nothing(missing)
    where = [" ".join(parts) for parts in zip(frame["data"], frame["cot"], frame["model"], strict=True)]
    placed = frame.assign(where=where, low=frame["low"].clip(lower=0), high=frame["high"].clip(upper=1))
    y = alt.Y("method:N", sort=list(NAMES), title=None)
    title, axis = "accuracy on test: ours with its interval, the paper's as diamonds", alt.Axis(format=PER_CENT)
    rules = alt.Chart().mark_rule(strokeWidth=2).encode(alt.X("low:Q", title=title, axis=axis), alt.X2("high"), y)
    ours = alt.Chart().mark_point(filled=True, size=80, opacity=1).encode(alt.X("mean:Q"), y)
    paper = alt.Chart().mark_point(shape="diamond", size=90, color="#c2554d").encode(alt.X("paper:Q"), y)
    layers = alt.layer(rules, ours, paper, data=placed).properties(height=alt.Step(24))
    return layers.facet(facet=alt.Facet("where:N", title=None), columns=2)


def heat_map(frame: DataFrame, rows: str, columns: str, *, title: str, missing: str = UNFINISHED) -> Picture:
    """The mean of every combination of two settings, its standard error over seeds written below.

    Args:
        frame: as `seeds.by_setting` gives it for both settings, of fractions.
        rows, columns: the settings.
        title: of the value.
        missing: what is said where there is nothing to draw.
    """
    import altair as alt

    if frame.empty:
        return nothing(missing)
    middle = (frame["mean"].min() + frame["mean"].max()) / 2
    ink = alt.condition(f"datum.mean > {middle}", alt.value("white"), alt.value("black"))
    below = "isValid(datum.standard_error) ? '± ' + format(100 * datum.standard_error, '.1f') + ', n = ' + datum.n"
    base = alt.Chart(frame).encode(
        alt.X(field(columns), type="ordinal", title=columns, axis=alt.Axis(labelAngle=0)),
        alt.Y(field(rows), type="ordinal", title=rows),
    )
    legend, scale = alt.Legend(format=".1%"), alt.Scale(scheme="blues")
    cells = base.mark_rect().encode(alt.Color("mean:Q", title=title, scale=scale, legend=legend))
    means = base.mark_text(fontSize=14, dy=-7).encode(alt.Text("mean:Q", format=".1%"), color=ink)
    errors = base.transform_calculate(below=f"{below} : 'one seed'").mark_text(fontSize=10, dy=10)
    layers = cells + means + errors.encode(alt.Text("below:N"), color=ink)
    return layers.properties(width=alt.Step(110), height=alt.Step(60))
