"""The page of a study, or of the runs of any folder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from reft_lab.analysis import load
from reft_lab.analysis.changes import TWO_SEEDS
from reft_lab.analysis.found import RUNNING
from reft_lab.analysis.paper_tables import OF_WORDS, in_words, of_the_paper
from reft_lab.analysis.search import TOGETHER, Search, read_search
from reft_lab.charts.palette import SETTINGS, setting_colours
from reft_lab.numbers import duration, interval_in_points, per_cent, points
from reft_lab.report.comparison import Compared, Group, comparison_of
from reft_lab.report.facts import now, runs_under_way
from reft_lab.report.page import Live, chart_data, read, vega_script, write_page
from reft_lab.report.search import ACCURACY, findings, written_value
from reft_lab.report.study_charts import BARS, curve_charts, result_charts
from reft_lab.run_dir.files import REPORT
from reft_lab.run_dir.reading import read_object

ROWS, RUNS = 100, 400  # settings and runs that are listed
FILES = (
    ("study.csv", "all trials"),
    ("best.yaml", "the best setting, as an experiment"),
)


@dataclass(frozen=True)
class Row:
    """A setting as the table of the comparison has it.

    Attributes:
        compared: what is known of it.
        tag: `best on dev`, `Pareto set` and the like; empty for most.
        values: of the objectives of a search that are not in the table anyway, in words.
    """

    compared: Compared
    tag: str
    values: Sequence[str]


def study_report(folder: Path, to: Path | None = None, *, live: str | None = None) -> Path:
    """Write report.html for the runs in `folder`: a study, or any folder that holds runs, whatever state they are in.

    Args:
        folder: where they are.
        to: a file for it elsewhere.
        live: as for a run, as long as any of them goes on.

    Returns:
        The page.

    Raises:
        BadInput: there are no runs in `folder`.
        OSError: the page cannot be written.
    """
    read_at = now()
    runs = load(folder)
    study = read_search(folder)
    search = study if study and not study.is_grid else None
    found = comparison_of(runs, searched=search is not None)
    table, groups, base, compared = found.table, found.groups, found.base, found.rows
    ranks = _ranks(compared, search)
    by_rank = sorted(compared, key=lambda row: ranks[row.group.number])
    best_first = sorted(by_rank, key=lambda row: row.group is not base)
    listed = compared if search is None and len(compared) <= ROWS else best_first[:ROWS]
    if search is not None:
        listed = [row for row in by_rank if row in listed]
    drawn = sorted((row.group for row in best_first[:SETTINGS]), key=lambda group: group.number)
    own = zip(drawn, setting_colours([group.value for group in drawn]), strict=True)
    colours = dict.fromkeys(range(len(groups)), "other") | {group.number: colour for group, colour in own}
    results = [chart for chart in result_charts(listed, colours) if chart]
    curves = [chart for chart in curve_charts(runs, table, drawn, colours) if chart]
    across = findings(study) if study and (search or len(study.space) > 1) and study.finished else None
    by_test = all(row["selection"] == "test" for group in groups for row in group.rows)
    rows = _rows(listed, compared, search, "test" if by_test else "dev")
    states = {str(state): int(count) for state, count in table["state"].value_counts().items()}
    running = states.get(RUNNING, 0)
    settings = {row["run"]: group for group in groups for row in group.rows}
    drawings = [*across.charts, *across.slices, *across.across] if across else []
    return write_page(
        to or folder / REPORT,
        "study.html",
        [vega_script(), read("charts.js")],
        chart_data([*results, *drawings, *curves]),
        title=folder.absolute().name,
        states=states,
        standing=f"{runs_under_way(running)} when this page was written, {read_at}." if running else "",
        live=Live(live, f"{runs_under_way(running)}.", read_at) if live and running else None,
        facts=_facts(table, groups, study),
        files=[(name, about) for name, about in FILES if (folder / name).is_file()],
        rows=rows,
        options=_options(groups[0], study) if groups[0].numbered else [],
        objectives=_beside_accuracy(search),
        left_out=len(compared) - len(listed),
        colours=colours,
        base=base,
        why=found.why,
        seeds=max((row.test.n for row in compared if row.test), default=0),
        two_seeds=TWO_SEEDS if any(row.test and row.test.n == 2 for row in listed) else None,
        chosen=any(row.tag for row in rows),
        by_test=by_test,
        results=results,
        bars=BARS if len(listed) > BARS else 0,
        across=across,
        curves=curves,
        curve_limit=SETTINGS if len(groups) > SETTINGS else 0,
        confirmed=_confirmed(folder),
        paper=[(table, in_words(table)) for table in of_the_paper(runs)],
        of_words=OF_WORDS,
        runs=[_run(folder, row, settings.get(row["run"])) for row in runs.table.head(RUNS).to_dict("records")],
        runs_left_out=max(0, len(runs.table) - RUNS),
        problems=runs.problems,
    )


def _ranks(compared: Sequence[Compared], search: Search | None) -> dict[int, float]:
    """The place of each setting by its number, the best first: by the objective of a search, else by dev accuracy."""
    if search is None:
        ordered = sorted(compared, key=_rank, reverse=True)
        return {row.group.number: place for place, row in enumerate(ordered)}
    places = {trial.number: place for place, trial in enumerate(search.ranked)}
    last = len(places)
    return {
        row.group.number: min((places.get(trial, last) for trial in row.group.trials), default=last) for row in compared
    }


def _rows(listed: Sequence[Compared], compared: Sequence[Compared], search: Search | None, split: str) -> list[Row]:
    if search is None:
        best = _best(compared)
        return [Row(row, f"best on {split}" if row.group is best else "", ()) for row in listed]
    good = {trial.number for trial in search.best}
    trials = {trial.number: trial for trial in search.finished}
    tag = "Pareto set" if len(search.objectives) > 1 else "equally good" if len(good) > 1 else "best"
    beside = _beside_accuracy(search)
    rows = []
    for row in listed:
        own = next((trials[number] for number in row.group.trials if number in trials), None)
        named = {metric: number for number, (metric, _) in enumerate(search.objectives)}
        values = [written_value(metric, own.values[named[metric]]) if own else "" for metric in beside]
        is_good = len(search.finished) > len(good) and bool(good & set(row.group.trials))
        rows.append(Row(row, tag if is_good else "", values))
    return rows


def _options(group: Group, study: Search | None) -> list[str]:
    """The options in which settings differ, in the order of the study."""
    order = [key for each in study.space for key in each.key.split(TOGETHER)] if study else []
    return sorted(group.values, key=lambda key: order.index(key) if key in order else len(order))


def _beside_accuracy(search: Search | None) -> list[str]:
    """The objectives of a search that are no column of the table anyway."""
    return [metric for metric, _ in search.objectives if metric != ACCURACY] if search else []


def _run(folder: Path, row: Mapping[str, Any], group: Group | None) -> dict[str, Any]:
    """A run in the list of runs: its name, where its page is (or its folder where it has none), and how it stands."""
    directory = Path(row["directory"]) if isinstance(row["directory"], str) else folder
    inside = directory.absolute().relative_to(folder.absolute()).as_posix()
    return {
        "name": str(row["run"]),
        "link": quote(f"{inside}/{REPORT}" if (directory / REPORT).is_file() else f"{inside}/"),
        "state": str(row["state"]),
        "reason": row["reason"] if isinstance(row["reason"], str) else "",
        "seed": "" if row["seed"] is None or row["seed"] != row["seed"] else str(row["seed"]),
        "dev": per_cent(row["final_dev_accuracy"]),
        "test": per_cent(row["final_test_accuracy"]),
        "took": "" if math.isnan(row["seconds"]) else duration(row["seconds"]),
        "setting": group.shown if group else {},
    }


def _rank(row: Compared) -> float:
    """How good a setting is by what it was selected on; the test split is only asked where nothing else is there."""
    mean = row.dev or row.test
    return mean.mean if mean else -math.inf


def _best(compared: Sequence[Compared]) -> Group | None:
    """The best setting; None where there is no other, or another is as good."""
    able = sorted((row for row in compared if row.dev or row.test), key=_rank, reverse=True)
    return able[0].group if len(able) > 1 and _rank(able[0]) > _rank(able[1]) else None


def _facts(table: Any, groups: Sequence[Group], study: Search | None) -> list[tuple[str, str]]:
    def shared(column: str) -> str | None:
        values = [str(value) for value in table[column].dropna().unique()]
        return values[0] if len(values) == 1 else None

    found = [(name, shared(name)) for name in ("method", "model", "data", "cot", "reward")]
    if study:
        found.append(("objective", ", ".join(f"{metric}, {direction}" for metric, direction in study.objectives)))
        found.append(("sampler", study.sampler))
        found.append(("trials", f"{len(study.finished)} finished of {len(study.trials)}"))
    found += [("runs", str(len(table))), ("settings", str(len(groups)))]
    found.append(("seeds", ", ".join(str(seed) for seed in sorted(table["seed"].dropna().unique())[:12])))
    total = float(table["seconds"].sum())
    found.append(("time of all runs", duration(total) if total else None))
    return [(name, value) for name, value in found if value]


def _confirmed(folder: Path) -> dict[str, Any] | None:
    """What confirm.json says; None where it is not there or not as it should be."""
    found = read_object(folder / "confirm.json")
    try:
        if not found:
            return None
        interval, mean = found["difference"]["ci95"], found["difference"]["mean"]
        return {
            "trial": found["trial"],
            "seeds": found["seeds"],
            "sides": [
                (str(name), [per_cent(value) for value in values], per_cent(sum(values) / len(values)))
                for name, values in found["test_accuracy"].items()
            ],
            "mean": "" if mean is None else points(mean),
            "refused": found.get("refused"),
            "interval": interval and interval_in_points(*interval),
            "counts": interval and not interval[0] <= 0 <= interval[1],
            "over": f"seed and problem ({found['questions']})" if found.get("questions") else "seed",
            "needed": found.get("needed"),
        }
    except (KeyError, TypeError, ZeroDivisionError, AttributeError):
        return None
