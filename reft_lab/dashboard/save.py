"""Dashboards to W&B, or to JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reft_lab.analysis import Runs, load
from reft_lab.analysis.settings import varied
from reft_lab.dashboard.panels import NAME, Panel, workspace
from reft_lab.dashboard.report import CURVES, study_panels, study_report
from reft_lab.dashboard.sections import SECTIONS, sections_of
from reft_lab.dashboard.server import (
    REPORTS,
    WORKSPACES,
    asking,
    find_view,
    methods_in,
    parse_project,
    replaces,
    specification,
)
from reft_lab.errors import BadInput

STUDIES = Path("multirun")  # where studies are, below the folder one works in


def save(project: str, study: str | None = None) -> list[str]:
    """Make the workspace of a project, and the report of a study, or bring those up to date that have their names.

    Args:
        project: `ENTITY/PROJECT`; it has to be there.
        study: the W&B group of a study; None makes no report.

    Returns:
        Where to look at them: the address of the workspace, then that of the report.

    Raises:
        BadInput: no login, no server, no such project, no such study, or a refusal.
    """
    entity, name = parse_project(project)
    report = None if study is None else study_report(entity, name, study, _runs(study, project), ask_server=True)
    with asking(project):
        there = find_view(entity, name, WORKSPACES, NAME)
        made = workspace(entity, name, sections_of(methods_in(entity, name)))
        if there is not None:
            replaces(made, there)
        addresses = [made.save().url]
        if report is not None:
            known = find_view(entity, name, REPORTS, report.title)
            report.id = "" if known is None else known["id"]
            addresses.append(report.save().url)
    return addresses


@dataclass(frozen=True)
class Preview:
    """What would be sent to a project without runs.

    Attributes:
        content: `workspace`, and with a study `report`, as JSON.
        outline: what stands where, for people, line by line.
    """

    content: dict[str, Any]
    outline: list[str]


def preview(project: str, study: str | None = None) -> Preview:
    """What `save` would send to a project without runs; no login and no network are needed.

    Raises:
        BadInput: `project` is not `ENTITY/PROJECT`, or there is no such study in multirun/.
    """
    entity, name = parse_project(project)
    content: dict[str, Any] = {"workspace": specification(workspace(entity, name, SECTIONS))}
    lines = [f"workspace {NAME} of {project}:", *(_line(each.name, each.panels) for each in SECTIONS)]
    if study is not None:
        runs = _runs(study, None)
        report = study_report(entity, name, study, runs, ask_server=False)
        content["report"] = specification(report)
        lines += ["", f"report {report.title} of {project}. {report.description}"]
        lines += ["  Result: a table of settings", _line("Curves", CURVES)]
        lines += [_line("What mattered", study_panels(varied(runs.table)))]
    return Preview(content, lines)


def _line(name: str, panels: Sequence[Panel]) -> str:
    return f"  {name}: {', '.join(panel.title for panel in panels)}"


def _runs(study: str, project: str | None) -> Runs:
    """The runs of a study: of its folder in multirun/ where it is here, else of its group in a `project` of W&B."""
    if not study or re.search(r"[\"'\\<>=]", study):
        raise BadInput(f"{study!r} cannot be the name of a study in a W&B filter: it has one of \" ' \\ < > =.")
    folder = STUDIES / study
    if not folder.is_dir() and project is None:
        raise BadInput(
            f"there is no study {folder} (seen from {Path.cwd()}), whose options the report would show; go to the "
            "folder where it was run, or leave --preview out to take its runs from W&B."
        )
    runs = load(folder if folder.is_dir() else f"wandb:{project}/{study}")
    # The runs that compare the best setting with another afterwards are not part of the search.
    return Runs([run for run in runs.found if run.confirm is None], runs.problems)
