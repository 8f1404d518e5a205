"""`reft compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reft_lab.cli.finding import find_run
from reft_lab.cli.rows import Column, cell, print_table
from reft_lab.errors import BadInput
from reft_lab.methods import result_labels
from reft_lab.methods.base import Cost
from reft_lab.numbers import interval, interval_in_points, per_cent, points, short

if TYPE_CHECKING:
    from pandas import Series

    from reft_lab.analysis import Runs


def compare(first: str, second: str) -> None:
    """Print how two runs, named as `find_run` takes them, differ: settings, results, and answers one by one.

    Raises:
        BadInput: one of them stands for no run, or for several.
    """
    from reft_lab.analysis import Runs

    ours, theirs = find_run(first), find_run(second)
    if ours.run == theirs.run:
        raise BadInput(f"{first} and {second} are the same run, {ours.run}; name two different ones.")
    runs = Runs([ours, theirs], [])
    a, b = (row for _, row in runs.table.iterrows())
    print(f"A: {a['run']}\nB: {b['run']}\n")
    _print(_settings(runs), "Settings that differ", "their settings are the same")
    _print(_results(a, b), "Results, test and dev accuracy in % with 95 % interval", "")
    print(_problem_by_problem(runs))


def _problem_by_problem(runs: Runs) -> str:
    """A sentence or two that compare the answers of the second run to the test problems with those of the first.

    Where they cannot be compared, the sentence says why.
    """
    from reft_lab.analysis.problems import compare_runs

    first, second = (run.run for run in runs.found)
    try:
        found = compare_runs(runs.predictions(), second, first)
    except BadInput as error:
        return f"Not compared problem by problem: {error}"
    return (
        f"Problem by problem, B - A: {points(found.difference)} points on {found.n} test problems "
        f"(95 % interval {interval_in_points(found.low, found.high)}, McNemar p = {found.p:.2g}).\n"
        f"Right in both {found.both}, only in A {found.only_theirs}, only in B {found.only_ours}, in neither "
        f"{found.neither}."
    )


def _settings(runs: Runs) -> list[tuple[str, str, str]]:
    from reft_lab.analysis.schema import CONFIG
    from reft_lab.analysis.settings import differing

    table = runs.table
    keys = differing(table) + [key for key in ("seed", "baseline") if table.get(CONFIG + key) is not None]
    rows = [(key, *map(cell, table[CONFIG + key])) for key in keys]
    return [(key, a, b) for key, a, b in rows if a != b]


def _results(a: Series, b: Series) -> list[tuple[str, str, str]]:
    rows = [("state", _state(a), _state(b))]
    for stage, words in result_labels().items():
        for split in ("test", "dev"):
            rows.append((f"{words}, {split}", _score(a, f"{stage}_{split}"), _score(b, f"{stage}_{split}")))
    rows += [(name, cell(a[name]), cell(b[name])) for name in ("chosen", "selection")]
    rows.append(("minutes", _minutes(a["seconds"]), _minutes(b["seconds"])))
    rows += [(words, short(a[f"cost_{name}"]), short(b[f"cost_{name}"])) for name, words in Cost.WORDS.items()]
    rows.append(("minutes of training", _minutes(a["cost_seconds"]), _minutes(b["cost_seconds"])))
    return [row for row in rows if row[1] or row[2]]


def _state(row: Series) -> str:
    return f"{row['state']}: {row['reason']}" if cell(row["reason"]) else str(row["state"])


def _score(row: Series, name: str) -> str:
    accuracy, low, high, n = (row[f"{name}_{part}"] for part in ("accuracy", "low", "high", "n"))
    return per_cent(accuracy) + (f" ({interval(low, high)}, n={n:.0f})" if low == low and n == n else "")


def _minutes(seconds: float) -> str:
    return "" if seconds != seconds else f"{seconds / 60:.1f}"


def _print(rows: list[tuple[str, str, str]], title: str, none: str) -> None:
    if rows:
        heads = ("", "A", "B")
        print_table([Column(head, [row[i] for row in rows], folds=i > 0) for i, head in enumerate(heads)], title)
    elif none:
        print(f"{none}\n")
