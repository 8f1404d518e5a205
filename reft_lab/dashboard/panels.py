"""What a dashboard is made of, as plain data; reft_lab/dashboard/build.py makes W&B's objects of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lines:
    """Curves over the one step axis.

    Attributes:
        title: what a reader looks for.
        metrics: names of metrics, one line each and run.
        unit: label of the value axis.
        top: upper end of the value axis, whose lower end is 0 then; None lets W&B choose both.
        log: a logarithmic value axis.
        smoothing: weight of the running mean (exponential), from 0 (none) to below 1; the raw curve stays behind it.
        by_group: one line for each W&B group (study): the mean over its runs, with a band from least to largest.
        shares: areas that add up to 1, of the first run that is shown.
    """

    title: str
    metrics: tuple[str, ...]
    unit: str = ""
    top: float | None = None
    log: bool = False
    smoothing: float = 0.0
    by_group: bool = False
    shares: bool = False


@dataclass(frozen=True)
class Bars:
    """The last or best values of runs, as bars.

    Attributes:
        title: what a reader looks for.
        metrics: names in a run's summary.
        unit: label of the value axis.
        by_group: one bar for each W&B group, with the spread over its runs.
    """

    title: str
    metrics: tuple[str, ...]
    unit: str = ""
    by_group: bool = False


@dataclass(frozen=True)
class Scatter:
    """One point a run, of two names in its summary."""

    title: str
    x: str
    y: str


@dataclass(frozen=True)
class Parallel:
    """Parallel coordinates: one line a run through its settings to its result.

    Attributes:
        title: what a reader looks for.
        options: options, by their dotted names.
        metric: a name in a run's summary.
        metric_title: what the axis of the metric is called.
    """

    title: str
    options: tuple[str, ...]
    metric: str
    metric_title: str


@dataclass(frozen=True)
class Importance:
    """How much each option matters for a name in the summary, as W&B's random forest sees it."""

    metric: str


@dataclass(frozen=True)
class Differences:
    """W&B's run comparer: where the configs and summaries of runs differ."""


@dataclass(frozen=True)
class Table:
    """A W&B table that runs log under `key`."""

    key: str


@dataclass(frozen=True)
class Text:
    """Markdown."""

    markdown: str


Panel = Lines | Bars | Scatter | Parallel | Importance | Differences | Table | Text


@dataclass(frozen=True)
class Section:
    """A part of the workspace that opens and closes."""

    name: str
    panels: tuple[Panel, ...]
    is_open: bool = False


def metrics_of(panel: Panel) -> tuple[str, ...]:
    """The metrics that a panel names."""
    match panel:
        case Lines() | Bars():
            return panel.metrics
        case Scatter():
            return (panel.x, panel.y)
        case Parallel() | Importance():
            return (panel.metric,)
        case _:
            return ()
