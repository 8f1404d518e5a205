"""What a dashboard is made of, as plain data, and W&B's objects made of it.

The only place that knows how wandb-workspaces names things. Ids of panels are made from where they stand, not at random
as the library does, so that the same dashboard gives the same specification each time and can be compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from reft_lab.tracking.wandb_labels import CONFIRMS, STEP

if TYPE_CHECKING:
    from wandb_workspaces.reports.v2 import PanelGrid, Runset
    from wandb_workspaces.workspaces import Workspace

NAME = "reft_lab"  # of the workspace; a save looks for it
GRID = 24  # columns of a report's grid
COLUMNS = (
    "run:state",
    "run:group",
    "summary:eval/best_accuracy",
    "summary:result/final/test_accuracy",
    "config:model.value.name",
    "config:data.value.name",
    "config:seed.value",
)
# How runs that are grouped are shown, by the panel itself or by what the runs are grouped by around it.
SPREAD = {"groupby_aggfunc": "mean", "groupby_rangefunc": "minmax"}


class Panel(Protocol):
    """One panel."""

    @property
    def title(self) -> str:
        """What people read above it, or what it is."""

    def made(self, wr: Any) -> Any:
        """W&B's object for it; `wr` is wandb_workspaces.reports.v2."""


@dataclass(frozen=True)
class Lines:
    """Curves over the one step axis.

    Attributes:
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

    def made(self, wr: Any) -> Any:
        made = wr.LinePlot(title=self.title, x=STEP, title_x=STEP, y=list(self.metrics), **_spread(self.by_group))
        made.title_y = self.unit or None
        if self.top:
            made.range_y = (0, self.top)
        if self.log:
            made.log_y = True
        if self.smoothing:
            made.smoothing_type, made.smoothing_factor = "exponential", self.smoothing
            made.smoothing_show_original = True
        if self.shares:
            made.plot_type, made.max_runs_to_show = "stacked-area", 1
        return made


@dataclass(frozen=True)
class Bars:
    """The last or best values of runs, as bars; `by_group` one for each W&B group, with the spread over its runs."""

    title: str
    metrics: tuple[str, ...]
    unit: str = ""
    by_group: bool = False

    def made(self, wr: Any) -> Any:
        return wr.BarPlot(
            title=self.title,
            metrics=list(self.metrics),
            orientation="v",
            title_y=self.unit or None,
            max_runs_to_show=50,
            **_spread(self.by_group),
        )


@dataclass(frozen=True)
class Scatter:
    """One point a run, of two names in its summary."""

    title: str
    x: str
    y: str

    def made(self, wr: Any) -> Any:
        return wr.ScatterPlot(title=self.title, x=wr.SummaryMetric(self.x), y=wr.SummaryMetric(self.y))


@dataclass(frozen=True)
class Parallel:
    """Parallel coordinates: one line a run through its options to a metric in its summary."""

    title: str
    options: tuple[str, ...]
    metric: str
    metric_title: str

    def made(self, wr: Any) -> Any:
        axes = [(wr.Config(option), option) for option in self.options]
        axes.append((wr.SummaryMetric(self.metric), self.metric_title))
        columns = [wr.ParallelCoordinatesPlotColumn(metric=metric, display_name=title) for metric, title in axes]
        return wr.ParallelCoordinatesPlot(title=self.title, columns=columns)


@dataclass(frozen=True)
class Importance:
    """How much each option matters for a name in the summary, as W&B's random forest sees it."""

    metric: str

    @property
    def title(self) -> str:
        return f"Importance of options for {self.metric}"

    def made(self, wr: Any) -> Any:
        return wr.ParameterImportancePlot(with_respect_to=self.metric)


@dataclass(frozen=True)
class Differences:
    """W&B's run comparer: where the configs and summaries of runs differ."""

    title = "Where runs differ"

    def made(self, wr: Any) -> Any:
        return wr.RunComparer(diff_only="split")


@dataclass(frozen=True)
class Table:
    """A W&B table that runs log under `key`."""

    key: str

    @property
    def title(self) -> str:
        return f"Table {self.key}"

    def made(self, wr: Any) -> Any:
        return wr.WeavePanelSummaryTable(table_name=self.key)


@dataclass(frozen=True)
class Text:
    """Markdown."""

    markdown: str
    title = "Text"

    def made(self, wr: Any) -> Any:
        return wr.MarkdownPanel(markdown=self.markdown)


WIDE = (Parallel, Importance, Differences, Table)


@dataclass(frozen=True)
class Section:
    """A part of the workspace that opens and closes."""

    name: str
    panels: tuple[Panel, ...]
    is_open: bool = False


def workspace(entity: str, project: str, sections: Iterable[Section]) -> Workspace:
    """The workspace, not saved yet. Runs are neither filtered nor grouped."""
    import wandb_workspaces.workspaces as ws

    return ws.Workspace(
        entity=entity,
        project=project,
        name=NAME,
        sections=[
            ws.Section(
                name=section.name,
                is_open=section.is_open,
                panel_settings=ws.SectionPanelSettings(x_axis=STEP),
                panels=[_panel(panel, f"{section.name}/{place}") for place, panel in enumerate(section.panels)],
            )
            for section in sections
        ],
        settings=ws.WorkspaceSettings(x_axis=STEP, max_runs=50),
        runset_settings=ws.RunsetSettings(pinned_columns=list(COLUMNS)),
    )


def grid(name: str, runset: Runset, panels: Sequence[Panel]) -> PanelGrid:
    """Panels of a report over a set of runs, two beside each other, wide ones alone.

    The `name` says what the grid shows, and distinguishes it from the other grids of the report.
    """
    import wandb_workspaces.reports.v2 as wr

    made, x, y = [], 0, 0
    for place, panel in enumerate(panels):
        width, height = (GRID, 12) if isinstance(panel, WIDE) else (GRID // 2, 9)
        if x + width > GRID:
            x, y = 0, y + 9
        one = _panel(panel, f"{name}/{place}")
        one.layout = wr.Layout(x=x, y=y, w=width, h=height)
        made.append(one)
        x, y = (x + width, y) if width < GRID else (0, y + height)
    return wr.PanelGrid(runsets=[runset], panels=made)


def runs_of_study(study: str, options: Sequence[str], entity: str = "", project: str = "") -> Runset:
    """The runs of a W&B group but those that confirm its result; those with the same values of `options` together.

    Where entity and project are left out, the library asks no server for the project's id.
    """
    import wandb_workspaces.expr as expr
    import wandb_workspaces.reports.v2 as wr

    runset = wr.Runset(
        entity=entity,
        project=project,
        name=study,
        filters=expr.And(expr.Metric("Group") == study, expr.Metric("Tags").notin([CONFIRMS])),
        groupby=[f"config.{option}" for option in options],
    )
    runset._id = identifier(f"runs of {study}")
    return runset


def identifier(text: str) -> str:
    """The id of what `text` describes, in the form of W&B's."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _panel(panel: Panel, place: str) -> Any:
    import wandb_workspaces.reports.v2 as wr

    made = panel.made(wr)
    made._id = identifier(f"{place} {panel}")
    return made


def _spread(by_group: bool) -> dict[str, Any]:
    return SPREAD | ({"groupby": "Group"} if by_group else {})
