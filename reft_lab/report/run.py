"""The page of one run."""

from __future__ import annotations

from pathlib import Path

from reft_lab.analysis import load
from reft_lab.analysis.reading import read_object
from reft_lab.methods import method_of
from reft_lab.report.alarms import alarms_of
from reft_lab.report.curves import curves_of
from reft_lab.report.figures import unchecked
from reft_lab.report.origin import origin
from reft_lab.report.page import write_page
from reft_lab.report.run_charts import chart_sections
from reft_lab.report.run_head import change, facts, result_rows, score_chart
from reft_lab.report.settings import settings
from reft_lab.report.tokens import token_view
from reft_lab.run_dir.saved import PASSPORT
from reft_lab.tracking.result_table import overlap


def run_report(directory: Path) -> Path:
    """Write report.html of the run in `directory`, whatever state the run is in; it shows what there is.

    Returns:
        The page.

    Raises:
        BadInput: there is no run in `directory`.
        OSError: the page cannot be written.
    """
    runs = load(directory, baselines=True)
    run, *others = runs.found
    curves = curves_of(run.history())
    baseline = curves_of(others[0].history()) if others else None
    view = token_view(run.samples(), warmup_steps=(curves.first("rollout/reward") or 1) - 1)
    rows = result_rows(run, curves)
    with unchecked():
        sections = chart_sections(run, curves, baseline)
        overview = score_chart(rows)
    figures = [overview, *(figure for section in sections for figure in section.figures)]
    passport = read_object(directory / PASSPORT, lambda text: None, needed=False) or {}
    return write_page(
        directory,
        "run.html",
        ("charts.js", "tokens.js"),
        {
            "specs": {figure.key: figure.spec for figure in figures if figure},
            "tokens": view.content,
        },
        title=str(run.config.get("name") or run.run),
        run=run,
        method=method_of(run.result | run.config).label,
        facts=facts(run),
        rows=rows,
        overview=overview,
        change=change(run),
        overlap=overlap(run.result),
        alarms=alarms_of(run.history()),
        notes=[str(note) for note in run.result.get("notes") or []],
        problems=runs.problems,
        sections=sections,
        thinned=max(curves.every, baseline.every if baseline else 1),
        view=view,
        settings=settings(run, directory),
        origin=origin(passport),
    )
