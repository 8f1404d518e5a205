"""Plain panels -> W&B's objects; the only place that knows how wandb-workspaces names things.

Ids of panels are made from where they stand, not at random as the library does, so that the same dashboard gives the
same specification each time and can be compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from reft_lab.dashboard.panels import (
    Bars,
    Differences,
    Importance,
    Lines,
    Panel,
    Parallel,
    Scatter,
    Section,
    Table,
    Text,
)
from reft_lab.tracking.wandb_labels import CONFIRMS, STEP

if TYPE_CHECKING:
    from wandb_workspaces.reports.v2 import PanelGrid, Runset
    from wandb_workspaces.workspaces import Workspace

NAME = "reft_lab"  # of the workspace; a save looks for it
GRID = 24  # columns of a report's grid
WIDE = (Parallel, Importance, Differences, Table)
COLUMNS = (
    "run:state",
    "run:group",
    "summary:eval/best_accuracy",
    "summary:result/final/test_accuracy",
    "config:model.value.name",
    "config:data.value.name",
    "config:seed.value",
)


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

    Args:
        name: what the grid shows; distinguishes it from the other grids of the report.
        runset: the runs.
        panels: at least one.
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
    """The runs of a W&B group but those that confirm its result; those that differ in nothing but the seed together.

    Args:
        study: the group.
        options: what the study varies, by dotted names.
        entity, project: where the runs are; left out, the library asks no server for the project's id.
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
    made = _made(panel)
    made._id = identifier(f"{place} {panel}")
    return made


def _made(panel: Panel) -> Any:
    import wandb_workspaces.reports.v2 as wr

    match panel:
        case Lines():
            return _lines(panel)
        case Bars():
            return wr.BarPlot(
                title=panel.title,
                metrics=list(panel.metrics),
                orientation="v",
                title_y=panel.unit or None,
                max_runs_to_show=50,
                **_spread(panel.by_group),
            )
        case Scatter():
            return wr.ScatterPlot(title=panel.title, x=wr.SummaryMetric(panel.x), y=wr.SummaryMetric(panel.y))
        case Parallel():
            columns = [
                wr.ParallelCoordinatesPlotColumn(metric=wr.Config(option), display_name=option)
                for option in panel.options
            ]
            last = wr.ParallelCoordinatesPlotColumn(
                metric=wr.SummaryMetric(panel.metric), display_name=panel.metric_title
            )
            return wr.ParallelCoordinatesPlot(title=panel.title, columns=[*columns, last])
        case Importance():
            return wr.ParameterImportancePlot(with_respect_to=panel.metric)
        case Differences():
            return wr.RunComparer(diff_only="split")
        case Table():
            return wr.WeavePanelSummaryTable(table_name=panel.key)
        case Text():
            return wr.MarkdownPanel(markdown=panel.markdown)


def _lines(panel: Lines) -> Any:
    import wandb_workspaces.reports.v2 as wr

    made = wr.LinePlot(title=panel.title, x=STEP, title_x=STEP, y=list(panel.metrics), **_spread(panel.by_group))
    made.title_y = panel.unit or None
    if panel.top:
        made.range_y = (0, panel.top)
    if panel.log:
        made.log_y = True
    if panel.smoothing:
        made.smoothing_type, made.smoothing_factor, made.smoothing_show_original = "exponential", panel.smoothing, True
    if panel.shares:
        made.plot_type, made.max_runs_to_show = "stacked-area", 1
    return made


def _spread(by_group: bool) -> dict[str, Any]:
    """How runs that are grouped are shown, by the panel itself or by what the runs are grouped by around it."""
    return {"groupby_aggfunc": "mean", "groupby_rangefunc": "minmax"} | ({"groupby": "Group"} if by_group else {})
