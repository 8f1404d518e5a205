"""Charts of a search: trials one after the other, by each option, and across all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reft_lab.charts.bars import row_labels
from reft_lab.charts.chart import MUTED, Chart, layered, number_axis, tooltip, written
from reft_lab.charts.palette import SHADES, variable

BEST = "set-2"
PLAIN = "set-1"
AXIS_ROW = 58  # height of an axis of parallel coordinates, in CSS pixels
SLICE = 150  # height of a slice
# Settings are written as one types them: 1e-4, 0.01, 20.
TYPED = "replace(format(datum.value, datum.value && abs(datum.value) < 0.001 ? '~e' : '~g'), '\u2212', '-')"
FEW_TICKS = {"expr": "max(2, floor(width / 80))"}


@dataclass(frozen=True)
class Dot:
    """A trial in a chart.

    Attributes:
        trial: its number.
        value: of the objective.
        at: where it stands on the other axis: a number, or one of the words there.
        is_best: whether none is better.
        words: its setting.
    """

    trial: int
    value: float
    at: float | str
    is_best: bool
    words: str


@dataclass(frozen=True)
class Scale:
    """An axis of parallel coordinates.

    Attributes:
        label: what it is of.
        ticks: (place, words), the place from 0 to 1.
    """

    label: str
    ticks: Sequence[tuple[float, str]]


@dataclass(frozen=True)
class Track:
    """A trial across all axes.

    Attributes:
        trial: its number.
        places: on each axis, from 0 to 1.
        strength: of its colour, from 0 to 1.
        is_best: whether none is better.
        words: its setting and what came of it.
    """

    trial: int
    places: Sequence[float]
    strength: float
    is_best: bool
    words: str


def history_chart(key: str, title: str, dots: Sequence[Dot], *, name: str, unit: str, maximize: bool) -> Chart | None:
    """The value of each trial in the order of their numbers, and the best so far."""
    import altair as alt

    if not dots:
        return None
    better, best = (max if maximize else min), math.nan
    rows = []
    for dot in sorted(dots, key=lambda each: each.trial):
        best = dot.value if math.isnan(best) else better(best, dot.value)
        rows.append(_row(dot) | {"best": best})
    last = max(dot.trial for dot in dots)
    ticks: Any = {"values": list(range(last + 1))} if last <= 6 else {}
    x = alt.X("trial:Q", title="trial", scale=alt.Scale(nice=False, padding=8), axis=alt.Axis(format=",d", **ticks))
    y = {"title": name, "axis": number_axis(unit), "scale": alt.Scale(zero=False)}
    line = alt.Chart().mark_line(interpolate="step-after", strokeWidth=2, aria=False, color=variable(BEST))
    layers = [line.encode(x, alt.Y("best:Q", **y)), _points(unit).encode(x, alt.Y("value:Q", **y))]
    told = f"{title}. {len(dots)} trials, the best {written(best, unit)}."
    legend = [("a trial", PLAIN, "area"), ("best so far", BEST, "line")]
    return Chart(key, title, "", legend, layered(layers, rows), summary=told)


def slice_chart(key: str, option: str, dots: Sequence[Dot], *, name: str, unit: str, log: bool = False) -> Chart | None:
    """What trials with each value of an option came to; those that are best stand out, later ones are stronger."""
    import altair as alt

    if not dots:
        return None
    last = max(1, *(dot.trial for dot in dots))
    rows = [_row(dot, variable(_shade(dot.trial / last))) for dot in dots]
    if isinstance(dots[0].at, str):
        order = list(dict.fromkeys(str(dot.at) for dot in dots))
        axis = alt.Axis(labelAngle=0, labelLimit=90, ticks=False)
        x = alt.X("at:N", title=None, sort=order, axis=axis, scale=alt.Scale(padding=0.5))
    else:
        scale = alt.Scale(type="log", nice=False, padding=8) if log else alt.Scale(zero=False, nice=False, padding=8)
        ticks = _log_ticks([float(dot.at) for dot in dots]) if log else {"tickCount": FEW_TICKS}
        x = alt.X("at:Q", title=None, scale=scale, axis=alt.Axis(labelExpr=TYPED, **ticks))
    y = alt.Y("value:Q", title=name, axis=number_axis(unit), scale=alt.Scale(zero=False))
    points = _points(unit).encode(x, y)
    best = max(dots, key=lambda dot: dot.is_best)
    told = f"{option} against {name}, {len(dots)} trials; the best at {best.at}."
    return Chart(key, option, "", [], layered([points], rows, SLICE), summary=told)


def parallel_chart(key: str, title: str, scales: Sequence[Scale], tracks: Sequence[Track], about: str) -> Chart | None:
    """Parallel coordinates, one axis below the other, so that names and ends fit a phone; the strongest lies on top."""
    import altair as alt

    if not tracks:
        return None
    labels = [scale.label for scale in scales]
    rows = [
        {
            "trial": f"{track.trial}",
            "row": number,
            "label": label,
            "place": place,
            "colour": variable(BEST if track.is_best else _shade(track.strength)),
            "wide": 3 if track.is_best else 1.3,
            "words": track.words,
            "layer": order,
        }
        for order, track in enumerate(sorted(tracks, key=lambda each: (each.is_best, each.strength)))
        for number, (label, place) in enumerate(zip(labels, track.places, strict=True))
    ]
    ticks = [{"label": scale.label, "place": place, "text": text} for scale in scales for place, text in scale.ticks]
    y = row_labels(labels)
    x = alt.X("place:Q", title=None, axis=None, scale=alt.Scale(domain=[0, 1], nice=False))
    # A line of its own colour for each trial: by `layer`, in whose order they lie on each other.
    lines = alt.Chart().mark_line(aria=False, opacity=0.85, strokeJoin="round")
    lines = lines.encode(
        x,
        y,
        alt.Detail("layer:O"),
        alt.Order("row:Q"),
        alt.Color("colour:N", scale=None),
        alt.StrokeWidth("wide:Q", scale=None),
    )
    dots = alt.Chart().mark_point(filled=True, size=26, opacity=1, aria=False)
    tips = [alt.Tooltip("trial:N", title="trial"), alt.Tooltip("words:N", title="setting")]
    dots = dots.encode(x, y, alt.Color("colour:N", scale=None), tooltip=tips)
    axis = alt.Chart(alt.InlineData(values=ticks)).encode(y=y)
    rules = axis.mark_rule(**MUTED, opacity=0.5).encode(x=alt.value(0), x2=alt.value("width"))
    words = []
    places: Any = (("left", "== 0"), ("right", "== 1"), ("center", "> 0 && datum.place < 1"))
    for align, test in places:
        text = axis.transform_filter(f"datum.place {test}").mark_text(align=align, dy=13, **MUTED)
        words.append(text.encode(x=x, text="text:N"))
    told = f"{title}. {len(tracks)} trials across {', '.join(labels)}."
    spec = layered([rules, lines, dots, *words], rows, AXIS_ROW * len(labels))
    return Chart(key, title, about, [], spec, wide=True, rows=True, summary=told)


def pareto_chart(
    key: str, title: str, dots: Sequence[Dot], *, names: tuple[str, str], units: tuple[str, str]
) -> Chart | None:
    """Two objectives against each other; those than which none is better in both stand out.

    Args:
        key, title: as in a Chart.
        dots: with the first objective as `at` and the second as `value`.
        names, units: of the two.
    """
    import altair as alt

    if not dots:
        return None
    scale = alt.Scale(zero=False, padding=8)
    x = alt.X("at:Q", title=names[0], axis=number_axis(units[0]), scale=scale)
    y = alt.Y("value:Q", title=names[1], axis=number_axis(units[1]), scale=scale)
    rows = [_row(dot) for dot in dots]
    legend = [("Pareto set", BEST, "area"), ("other trials", PLAIN, "area")]
    best = ", ".join(str(dot.trial) for dot in dots if dot.is_best)
    told = f"{title}. {len(dots)} trials; none is better than {best} in everything."
    return Chart(key, title, "", legend, layered([_points(units[1]).encode(x, y)], rows), summary=told)


def _points(unit: str) -> Any:
    import altair as alt

    tips = [alt.Tooltip("trial:N", title="trial"), tooltip("value", "value", unit)]
    tips.append(alt.Tooltip("words:N", title="setting"))
    points = alt.Chart().mark_point(filled=True, opacity=0.9, aria=False)
    size = alt.Size("size:Q", scale=None)
    return points.encode(alt.Color("colour:N", scale=None), size, alt.Order("size:Q"), tooltip=tips)


def _row(dot: Dot, colour: str | None = None) -> dict[str, Any]:
    shade = variable(BEST) if dot.is_best else colour or variable(PLAIN)
    size = 95 if dot.is_best else 42
    row = {"trial": dot.trial, "value": dot.value, "at": dot.at}
    return row | {"colour": shade, "size": size, "words": dot.words}


def _log_ticks(values: Sequence[float]) -> dict[str, Any]:
    """Powers of ten between the values; 1, 2 and 5 of each where those are few. Vega would leave some out by itself."""
    low, high = min(values), max(values)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    tens = [float(f"1e{power}") for power in powers]
    inside = [ten for ten in tens if low <= ten <= high]
    if len(inside) < 3:
        each = [float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)]
        inside = [value for value in each if low <= value <= high]
    return {"values": inside, "tickCount": len(inside)}


def _shade(strength: float) -> str:
    """A colour of the scale, the stronger the more."""
    return f"seq-{1 + round(strength * (SHADES - 1))}"
