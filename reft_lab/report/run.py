"""The page of one run."""

from __future__ import annotations

from pathlib import Path

from reft_lab.analysis import load
from reft_lab.analysis.found import RUNNING
from reft_lab.analysis.run_audit import read_audit
from reft_lab.charts.chart import OUTCOMES
from reft_lab.evaluation.decoded import WAYS, points_of
from reft_lab.methods import method_of
from reft_lab.report.curves import curves_of
from reft_lab.report.estimates import estimates_of
from reft_lab.report.explained import when_nothing_was_better
from reft_lab.report.facts import (
    changed_options,
    config_sections,
    facts,
    now,
    passport_groups,
    standing,
    tab_title,
    under_way,
)
from reft_lab.report.page import Live, chart_data, read, vega_script, write_page
from reft_lab.report.problems import problem_view
from reft_lab.report.results import alarms_of, changes, result_rows, score_chart
from reft_lab.report.run_charts import chart_sections
from reft_lab.report.tokens import token_view
from reft_lab.run_dir.files import PASSPORT, REPORT
from reft_lab.run_dir.reading import read_object
from reft_lab.tracking.result_table import both_rules, overlap


def run_report(directory: Path, to: Path | None = None, *, live: str | None = None) -> Path:
    """Write report.html of the run in `directory`, whatever state the run is in; it shows what there is.

    Args:
        directory: the run directory.
        to: a file for it elsewhere.
        live: where it is served, what its address says of the page (page.Live); as long as the run goes on, the page
            then keeps itself up to date.

    Returns:
        The page.

    Raises:
        BadInput: there is no run in `directory`.
        OSError: the page cannot be written.
    """
    read_at = now()
    runs = load(directory, baselines=True)
    run, *others = runs.found
    curves = curves_of(run.history())
    baseline = curves_of(others[0].history()) if others else None
    passport = read_object(directory / PASSPORT) or {}
    seam = int(curves.first("rollout/reward") or 1) - 1
    view = token_view(run.samples(), warmup_steps=seam)
    rows, last = result_rows(run, curves), when_nothing_was_better(run, curves)
    problems = problem_view(run)
    config = config_sections(run)
    changed, name = changed_options(config, run.config), str(run.config.get("name") or run.run)
    sections = chart_sections(run, curves, baseline)
    overview = score_chart(rows)
    charts = [*([overview] if overview else []), *(chart for section in sections for chart in section.charts)]
    method = method_of({**run.result, **run.config})
    return write_page(
        to or directory / REPORT,
        "run.html",
        [vega_script(), read("charts.js"), read("problems.js"), read("tokens.js")],
        {**chart_data(charts), "problems": problems.content, "tokens": view.content, "outcomes": OUTCOMES},
        tab=tab_title(run, name, changed),
        live=Live(live, under_way(run), read_at) if live and run.state == RUNNING else None,
        title=name,
        changed=changed,
        problems_read=problems,
        not_better=last.sentence if last else None,
        run=run,
        method=method.label,
        measure=method.measure,
        facts=facts(run, passport),
        rows=rows,
        overview=overview,
        changes=changes(run, others[0] if others else None),
        overlap=overlap(run.result),
        both_rules=both_rules(run.result),
        decoded=points_of(run.result),
        ways=WAYS,
        seam=seam,
        alarms=alarms_of(run.history()),
        standing=standing(run),
        notes=[str(note) for note in run.result.get("notes") or []],
        problems=runs.problems,
        sections=sections,
        audit=read_audit(directory),
        estimates=estimates_of(run.result),
        thinned=max(curves.every, baseline.every if baseline else 1),
        view=view,
        config=config,
        passport=passport_groups(passport),
    )
