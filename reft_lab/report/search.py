"""What a search found: its trials over time, by option and across all options, and what matters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reft_lab.analysis.search import ENOUGH, MAXIMIZE, Dimension, Search, Trial, importances, unvaried
from reft_lab.charts.bars import bar_chart
from reft_lab.charts.chart import Chart
from reft_lab.charts.search import (
    Dot,
    Scale,
    Track,
    history_chart,
    parallel_chart,
    pareto_chart,
    slice_chart,
)
from reft_lab.config.wording import shown
from reft_lab.metrics import SHARE, find
from reft_lab.numbers import four, per_cent, plain
from reft_lab.text import counted

ACCURACY = "accuracy"
MANY_CHOICES = 6  # words on an axis of parallel coordinates
SHORT = 14  # characters of each


@dataclass(frozen=True)
class Findings:
    """What a page shows of the search.

    Attributes:
        notes: sentences on ties, and on what cannot be told.
        charts: history, importances and, of several objectives, their Pareto set.
        slices: one for each option and objective.
        across: parallel coordinates.
    """

    notes: Sequence[str]
    charts: Sequence[Chart]
    slices: Sequence[Chart]
    across: Sequence[Chart]


def findings(search: Search) -> Findings:
    """The charts of a search, and what has to be said beside them."""
    charts: list[Chart | None] = []
    slices: list[Chart | None] = []
    across: list[Chart | None] = []
    if len(search.objectives) > 1:
        charts.append(_pareto(search))
    for number, (metric, direction) in enumerate(search.objectives):
        unit, after = unit_of(metric), f" for {metric}" if len(search.objectives) > 1 else ""
        dots = [_dot(search, trial, number, trial.number) for trial in search.finished]
        key, up = f"search-history-{number}", direction == MAXIMIZE
        charts.append(history_chart(key, f"Trials{after}", dots, name=metric, unit=unit, maximize=up))
        if _differ(search, number):
            charts.append(_importance(search, number, after))
            slices += [_slice(search, each, number, after) for each in search.space]
            across.append(_across(search, number, after))
    return Findings(list(_notes(search)), *([each for each in some if each] for some in (charts, slices, across)))


def unit_of(metric: str) -> str:
    """The unit of an objective."""
    return SHARE if metric == ACCURACY else find(metric).unit


def written_value(metric: str, value: float) -> str:
    """The value of an objective, a share in per cent."""
    return f"{per_cent(value)} %" if unit_of(metric) == SHARE else plain(value)


def _notes(search: Search) -> Iterator[str]:
    done, best = search.finished, search.best
    if len(done) < 2:
        return
    for number, (metric, _) in enumerate(search.objectives):
        if not _differ(search, number):
            value = written_value(metric, done[0].values[number])
            yield (
                f"Nothing that was varied made a difference: all {len(done)} finished trials have the same {metric}, "
                f"{value}."
            )
    differ = any(_differ(search, number) for number in range(len(search.objectives)))
    if len(search.objectives) == 1 and len(best) > 1 and differ:
        names = ", ".join(str(trial.number) for trial in best[:-1])
        yield (
            f"Trials {names} and {best[-1].number} are equally good; best.yaml holds the first of them, and which of "
            "them is best cannot be told from this study."
        )
    for key in unvaried(search):
        yield f"{key} has the same value in all finished trials, so nothing can be said of it."
    if differ and len(done) < ENOUGH:
        yield f"How much each option matters takes {ENOUGH} finished trials at least; there are {len(done)}."


def _differ(search: Search, objective: int) -> bool:
    return len({trial.values[objective] for trial in search.finished}) > 1


def _dot(search: Search, trial: Trial, objective: int, at: float | str) -> Dot:
    return Dot(trial.number, trial.values[objective], at, trial in search.best, words_of(trial.params))


def words_of(params: Mapping[str, Any]) -> str:
    """A setting in words, numbers with four digits."""
    return ", ".join(f"{key}={value_of(value)}" for key, value in params.items())


def value_of(value: Any) -> str:
    """A value as one types it, a number with four digits."""
    return four(value) if isinstance(value, float) else shown(value)


def _importance(search: Search, objective: int, after: str) -> Chart | None:
    shares = importances(search, objective)
    metric = search.objectives[objective][0]
    about = (
        f"How much of what differs in {metric} an option explains, alone and with others, by fANOVA over "
        f"{counted(len(search.finished), 'trial')}."
    )
    if len(search.finished) < 4 * len(search.space):
        about += " With so few, take it for a hint."
    bars = [(key, round(100 * share, 1), "reft") for key, share in shares.items()]
    return bar_chart(f"search-importance-{objective}", f"What matters{after}", bars, unit="%", about=about)


def _slice(search: Search, dimension: Dimension, objective: int, after: str) -> Chart | None:
    metric = search.objectives[objective][0]
    done = [trial for trial in search.finished if dimension.key in trial.params]
    is_range = dimension.low is not None
    dots = [
        _dot(search, trial, objective, float(value) if is_range else value_of(value)[:SHORT])
        for trial in sorted(done, key=lambda each: _order(dimension, each))
        if (value := trial.params[dimension.key]) is not None or not is_range
    ]
    key = f"search-slice-{objective}-{search.space.index(dimension)}"
    title = f"{dimension.key}, {metric}" if after else dimension.key
    return slice_chart(key, title, dots, name=metric, unit=unit_of(metric), log=dimension.log)


def _order(dimension: Dimension, trial: Trial) -> int:
    """Listed values stand as they are listed."""
    value = trial.params[dimension.key]
    return dimension.choices.index(value) if value in dimension.choices else 0


def _across(search: Search, objective: int, after: str) -> Chart | None:
    metric, direction = search.objectives[objective]
    done = [trial for trial in search.finished if all(each.key in trial.params for each in search.space)]
    values = [trial.values[objective] for trial in done]
    ends = Dimension(metric, min(values), max(values))
    # By rank: one trial that diverged would make all others look alike.
    ranks = sorted(set(values), reverse=direction != MAXIMIZE)
    tracks = [
        Track(
            trial.number,
            [*(_place(each, trial.params[each.key]) for each in search.space), _place(ends, value)],
            ranks.index(value) / max(1, len(ranks) - 1),
            trial in search.best,
            f"{words_of(trial.params)}: {written_value(metric, value)}",
        )
        for trial, value in zip(done, values, strict=True)
    ]
    scales = [Scale(each.key, _ticks(each)) for each in search.space]
    scales.append(Scale(metric, [(0.0, written_value(metric, min(values))), (1.0, written_value(metric, max(values)))]))
    about = "A line is a trial: the stronger its colour, the better; the best stand out."
    title = f"All options together{after}"
    return parallel_chart(f"search-across-{objective}", title, scales, tracks, about)


def _place(dimension: Dimension, value: Any) -> float:
    """Where a value stands between the ends of its dimension, from 0 to 1."""
    if dimension.low is None or dimension.high is None:
        if value not in dimension.choices or len(dimension.choices) < 2:
            return 0.5
        return dimension.choices.index(value) / (len(dimension.choices) - 1)
    low, high, at = dimension.low, dimension.high, float(value)
    if dimension.log:
        low, high, at = math.log(low), math.log(high), math.log(at)
    return min(1.0, max(0.0, (at - low) / (high - low))) if high > low else 0.5


def _ticks(dimension: Dimension) -> list[tuple[float, str]]:
    if dimension.low is not None and dimension.high is not None:
        ends = [(0.0, four(dimension.low)), (1.0, four(dimension.high))]
        return ends if dimension.high > dimension.low else [(0.5, four(dimension.low))]
    named = [(_place(dimension, value), value_of(value)) for value in dimension.choices]
    fits = len(named) <= MANY_CHOICES
    cut = [(place, words if len(words) <= SHORT else f"{words[: SHORT - 1]}…") for place, words in named]
    return cut if fits else [cut[0], cut[-1]]


def _pareto(search: Search) -> Chart | None:
    first, second = (metric for metric, _ in search.objectives[:2])
    dots = [_dot(search, trial, 1, trial.values[0]) for trial in search.finished]
    names, units = (first, second), (unit_of(first), unit_of(second))
    return pareto_chart("search-pareto", f"{first} and {second}", dots, names=names, units=units)
