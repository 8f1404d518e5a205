"""The W&B report of a study: what was run, the ablation table, curves with seed bands, and what mattered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reft_lab.analysis.settings import varied
from reft_lab.dashboard.panels import Differences, Importance, Lines, Panel, Parallel, grid, runs_of_study
from reft_lab.dashboard.sections import BEST_ACCURACY, TEST_ACCURACY, curve
from reft_lab.dashboard.study import ablation_table
from reft_lab.metrics import TENTHS, find, headlines, members

if TYPE_CHECKING:
    from wandb_workspaces.reports.v2 import Report

    from reft_lab.analysis import Runs

BY_POSITION = find("position/kl/TENTH")
CURVES: tuple[Panel, ...] = (
    *(curve(metric) for metric in headlines()),
    Lines(
        f"{BY_POSITION.label}: the first and the last tenth of a response",
        members(BY_POSITION.name)[:: len(TENTHS) - 1],
        BY_POSITION.unit,
    ),
)


def study_panels(options: list[str]) -> tuple[Panel, ...]:
    """Panels on what mattered, over the options that a study varies."""
    return (
        Parallel("Settings and test accuracy", (*options, "seed"), TEST_ACCURACY, "test accuracy"),
        Importance(BEST_ACCURACY),
        Differences(),
    )


def study_report(entity: str, project: str, study: str, runs: Runs, *, ask_server: bool) -> Report:
    """The report, not saved yet, for the project that has the runs, in the W&B group `study`.

    With `ask_server` the run sets name their project by the id that only the server knows; without, they stand for the
    project that the report is in.
    """
    import wandb_workspaces.reports.v2 as wr

    options = varied(runs.table)
    where = (entity, project) if ask_server else ("", "")
    each = runs_of_study(study, [], *where)
    by_setting = runs_of_study(study, options, *where)
    named = ", ".join(f"`{option}`" for option in options) or "nothing but the seed"
    return wr.Report(
        entity=entity,
        project=project,
        title=f"Study {study}",  # a save looks for it
        description=f"The study {study} varies {named.replace('`', '')}.",
        width="fluid",
        blocks=[
            wr.TableOfContents(),
            wr.H2("Result"),
            wr.MarkdownBlock(ablation_table(runs, options)),
            wr.H2("Curves"),
            wr.P("One line a setting: the mean over its seeds. The band is from the least to the largest of them."),
            grid("curves", by_setting, CURVES),
            wr.H2("What mattered"),
            wr.P("One line a run. The importances are W&B's, computed in the browser from the runs shown."),
            grid("what mattered", each, study_panels(options)),
        ],
    )
