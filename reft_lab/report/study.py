"""The page of a study, or of the runs of any folder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reft_lab.analysis import load
from reft_lab.analysis.problems import Answered, answered
from reft_lab.analysis.runs import Runs
from reft_lab.report.comparison import Compared, compare
from reft_lab.report.figures import unchecked
from reft_lab.report.groups import Group, base_of, groups_of
from reft_lab.report.page import write_page
from reft_lab.report.settings import defaults
from reft_lab.report.study_charts import BARS, CURVES, colour_of, curve_charts, result_charts
from reft_lab.report.words import duration
from reft_lab.run_dir.files import REPORT
from reft_lab.run_dir.reading import read_object

ROWS, RUNS = 100, 400  # settings and runs that are listed
FILES = (
    ("study.html", "Optuna's pictures"),
    ("study.csv", "all trials"),
    ("best.yaml", "the best setting, as an experiment"),
)


def study_report(folder: Path) -> Path:
    """Write report.html for the runs in `folder`: a study, or any folder that holds runs, whatever state they are in.

    Returns:
        The page.

    Raises:
        BadInput: there are no runs in `folder`.
        OSError: the page cannot be written.
    """
    runs = load(folder)
    table = runs.table[runs.table["confirm"].isna()]
    if table.empty:
        table = runs.table
    groups = groups_of(table)
    base, why = base_of(groups, defaults())
    compared = compare(groups, base, lambda run: _right(runs, run))
    listed = _best_first(compared, base)[:ROWS] if len(compared) > ROWS else compared
    drawn = _drawn(compared, base)
    colours = colour_of(drawn) | {g.number: "other" for g in groups if g not in drawn}
    with unchecked():
        results = [figure for figure in result_charts(listed, colours) if figure]
        curves = [figure for figure in curve_charts(runs, table, drawn, colours) if figure]
    return write_page(
        folder,
        "study.html",
        ("charts.js",),
        {"specs": {figure.key: figure.spec for figure in (*results, *curves)}},
        title=folder.absolute().name,
        states={str(state): int(count) for state, count in table["state"].value_counts().items()},
        facts=_facts(table, groups),
        files=[(name, about) for name, about in FILES if (folder / name).is_file()],
        compared=listed,
        left_out=len(compared) - len(listed),
        colours=colours,
        base=base,
        why=why,
        seeds=max((row.test.n for row in compared if row.test), default=0),
        best=_best(compared),
        by_test=all(row["selection"] == "test" for group in groups for row in group.rows),
        results=results,
        bars=BARS if len(listed) > BARS else 0,
        curves=curves,
        curve_limit=CURVES if len(groups) > CURVES else 0,
        confirmed=_confirmed(folder),
        runs=[_run(folder, row) for row in runs.table.head(RUNS).to_dict("records")],
        runs_left_out=max(0, len(runs.table) - RUNS),
        problems=runs.problems,
    )


@dataclass(frozen=True)
class RunLine:
    """A run in the list of runs.

    Attributes:
        name, link: what it is called, and where its page is, or its folder where it has none.
        state, reason: how it stands.
        seed, dev, test, took: in words; empty where there is none.
    """

    name: str
    link: str
    state: str
    reason: str
    seed: str
    dev: str
    test: str
    took: str


def _run(folder: Path, row: Mapping[str, Any]) -> RunLine:
    from urllib.parse import quote

    directory = Path(row["directory"]) if isinstance(row["directory"], str) else folder
    inside = directory.absolute().relative_to(folder.absolute()).as_posix()
    page = f"{inside}/{REPORT}" if (directory / REPORT).is_file() else f"{inside}/"
    return RunLine(
        name=str(row["run"]),
        link=quote(page),
        state=str(row["state"]),
        reason=row["reason"] if isinstance(row["reason"], str) else "",
        seed="" if row["seed"] is None or row["seed"] != row["seed"] else str(row["seed"]),
        dev=_per_cent(row["final_dev_accuracy"]),
        test=_per_cent(row["final_test_accuracy"]),
        took="" if math.isnan(row["seconds"]) else duration(row["seconds"]),
    )


def _per_cent(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:.1f}"


def _right(runs: Runs, run: str) -> Answered:
    return answered(next(each for each in runs.found if each.run == run).predictions())


def _rank(row: Compared) -> float:
    """How good a setting is by what it was selected on; the test split is only asked where nothing else is there."""
    mean = row.dev or row.test
    return mean.mean if mean else -math.inf


def _best(compared: Sequence[Compared]) -> Group | None:
    """The best setting; None where there is no other, or another is as good."""
    able = sorted((row for row in compared if row.dev or row.test), key=_rank, reverse=True)
    return able[0].group if len(able) > 1 and _rank(able[0]) > _rank(able[1]) else None


def _best_first(compared: Sequence[Compared], base: Group) -> list[Compared]:
    return sorted(compared, key=lambda row: (row.group is not base, -_rank(row)))


def _drawn(compared: Sequence[Compared], base: Group) -> list[Group]:
    """The settings that get curves: the base and the best ones, in their own order."""
    chosen = [row.group for row in _best_first(compared, base)[:CURVES]]
    return sorted(chosen, key=lambda group: group.number)


def _facts(table: Any, groups: Sequence[Group]) -> list[tuple[str, str]]:
    def shared(column: str) -> str | None:
        values = [str(value) for value in table[column].dropna().unique()]
        return values[0] if len(values) == 1 else None

    found = [(name, shared(name)) for name in ("method", "model", "data", "cot", "reward")]
    found += [("runs", str(len(table))), ("settings", str(len(groups)))]
    found.append(("seeds", ", ".join(str(seed) for seed in sorted(table["seed"].dropna().unique())[:12])))
    total = float(table["seconds"].sum())
    found.append(("time of all runs", duration(total) if total else None))
    return [(name, value) for name, value in found if value]


def _confirmed(folder: Path) -> dict[str, Any] | None:
    """What confirm.json says, in per cent; None where it is not there or not as it should be."""
    found = read_object(folder / "confirm.json", lambda text: None, needed=False)
    try:
        if not found:
            return None
        sides = {str(name): (values, sum(values) / len(values)) for name, values in found["test_accuracy"].items()}
        interval = found["difference"]["ci95"]
        return {
            "trial": found["trial"],
            "seeds": found["seeds"],
            "sides": [(name, [100 * value for value in values], 100 * mean) for name, (values, mean) in sides.items()],
            "mean": 100 * found["difference"]["mean"],
            "interval": None if interval is None else [100 * end for end in interval],
        }
    except (KeyError, TypeError, ZeroDivisionError, AttributeError):
        return None
