"""`reft compare`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reft_lab.cli.finding import find_runs
from reft_lab.cli.rows import Column, cell, print_table
from reft_lab.errors import BadInput
from reft_lab.methods import result_labels
from reft_lab.methods.base import Cost
from reft_lab.numbers import interval, interval_in_points, p_in_words, per_cent, points, short
from reft_lab.text import counted

if TYPE_CHECKING:
    from pandas import DataFrame, Series

    from reft_lab.analysis import Runs

Rows = list[tuple[str, str, str]]  # what is compared, A's, B's

RULES = ("dev", "test")  # splits that a checkpoint may be picked on


def compare(first: str, second: str) -> dict[str, Any]:
    """Print how two runs differ, or two folders of runs that differ in the seed alone, named as `find_runs` takes them:
    settings, results, and answers one by one.

    Returns:
        The same, with the difference of test accuracies as fractions.

    Raises:
        BadInput: one of them stands for no run, or for runs of several settings; or they share a run.
    """
    from reft_lab.analysis import Runs

    ours, theirs = find_runs(first), find_runs(second)
    sides = [_one_setting(name, Runs(found, [])) for name, found in ((first, ours), (second, theirs))]
    if both := {run.run for run in ours} & {run.run for run in theirs}:
        raise BadInput(f"{first} and {second} are the same run, {min(both)}; name two different ones.")
    if len(ours) == len(theirs) == 1:
        runs = Runs([*ours, *theirs], [])
        a, b = (row for _, row in runs.table.iterrows())
        print(f"A: {a['run']}\nB: {b['run']}\n")
        settings, results = _settings(runs), _results(a, b)
        said, found = _problem_by_problem(runs)
        _print(settings, "Settings that differ", "their settings are the same")
        _print(results, "Results, test and dev accuracy in % with 95 % interval", "")
        print(said)
        return _told(a["run"], b["run"], settings, results, said, found)
    print(f"A: {first} ({_count(sides[0])})\nB: {second} ({_count(sides[1])})\n")
    one_each = Runs([ours[0], theirs[0]], [])
    settings, results = _settings(one_each, seed=False), _means(*sides)
    said, found = _seed_by_seed(*sides)
    _print(settings, "Settings that differ", "their settings are the same")
    _print(results, "Results, mean test and dev accuracy over seeds in % with 95 % interval", "")
    print(said)
    return _told(first, second, settings, results, said, found)


def _told(
    a: str, b: str, settings: Rows, results: Rows, said: str, found: Mapping[str, float] | None
) -> dict[str, Any]:
    """A comparison for programs."""
    parts = {"settings": settings, "results": results}
    return {
        "a": a,
        "b": b,
        **{part: {key: {"a": ours, "b": theirs} for key, ours, theirs in rows} for part, rows in parts.items()},
        "difference": found,
        "sentence": said,
    }


def _one_setting(name: str, runs: Runs) -> Runs:
    """The runs, which must differ in the seed alone."""
    from reft_lab.analysis.settings import differing

    if options := differing(runs.table):
        more = f" and {len(options) - 3} more" if len(options) > 3 else ""
        raise BadInput(
            f"{name} holds {len(runs)} runs that differ in {', '.join(options[:3])}{more}; name one of them, such as "
            f"{runs.found[0].run}, or a folder of runs that differ in the seed alone."
        )
    return runs


def _count(runs: Runs) -> str:
    from reft_lab.analysis.settings import finished

    done = finished(runs.table)
    return f"{len(done)} of {len(runs)} runs finished, {counted(done['seed'].nunique(), 'seed')}"


def _means(*sides: Runs) -> Rows:
    from reft_lab.analysis.seeds import by_setting

    predictions = [side.predictions() for side in sides]
    rows = []
    for stage, words in result_labels().items():
        for split in ("test", "dev"):
            value = f"{stage}_{split}_accuracy"
            pairs = zip(sides, predictions, strict=True)
            a, b = (by_setting(side.table, ["source"], value, lines) for side, lines in pairs)
            rows.append((f"{words}, {split}", _mean(a), _mean(b)))
    return [(words, a, b) for words, a, b in rows if a or b]


def _mean(found: DataFrame) -> str:
    """Of a frame with one row, or none."""
    if found.empty:
        return ""
    row = found.iloc[0]
    over = counted(int(row["n"]), "seed")
    if row.get("questions"):
        over += f" × {int(row['questions'])} problems"
    ends = interval(row["low"], row["high"])
    return f"{per_cent(row['mean'])} ({ends + ', ' if ends else ''}{over})"


def _seed_by_seed(*sides: Runs) -> tuple[str, dict[str, float] | None]:
    """A sentence or two that compare the second setting with the first; and their difference, if it can be told."""
    from reft_lab.analysis.changes import TWO_SEEDS, change_of
    from reft_lab.analysis.seeds import tested

    first, second = (tested(side.table, side.predictions()) for side in sides)
    change = change_of(second, first)
    if change is None:
        return "Not compared: they share no seed, and have not three finished seeds each.", None
    if change.refused:
        return f"Not compared: {change.refused}", None
    said = f"B - A: {points(change.difference)} points"
    if change.low == change.low:
        ends, p = interval_in_points(change.low, change.high), p_in_words(change.p)
        said += f" over {change.basis} (95 % interval {ends}" + (f", p {p}" if p.strip("= ") else "") + ")"
    else:
        said += f" ({change.basis})"
    few = f" {TWO_SEEDS}" if change.seeds == 2 else ""
    found = {"difference": change.difference, "low": change.low, "high": change.high, "p": change.p}
    return f"{said}.{few}" + (f"\n{change.needed}" if change.needed else ""), found | {"seeds": change.seeds}


def _problem_by_problem(runs: Runs) -> tuple[str, dict[str, float] | None]:
    """A sentence or two that compare the answers of the second run to the test problems with those of the first; and
    their difference.

    Where they cannot be compared, the sentence says why.
    """
    from reft_lab.analysis.power import needed_by_problems
    from reft_lab.analysis.problems import compare_runs

    first, second = (run.run for run in runs.found)
    try:
        found = compare_runs(runs.predictions(), second, first)
    except BadInput as error:
        return f"Not compared problem by problem: {error}", None
    need = needed_by_problems(found)
    told = {"difference": found.difference, "low": found.low, "high": found.high, "p": found.p, "n": found.n}
    told |= {"right_in_both": found.both, "only_in_a": found.only_theirs, "only_in_b": found.only_ours}
    said = (
        f"Problem by problem, B - A: {points(found.difference)} points on {found.n} test problems "
        f"(95 % interval {interval_in_points(found.low, found.high)}, McNemar p {p_in_words(found.p)}).\n"
        f"Right in both {found.both}, only in A {found.only_theirs}, only in B {found.only_ours}, in neither "
        f"{found.neither}." + (f"\n{need}" if need else "")
    )
    return said, told


def _settings(runs: Runs, *, seed: bool = True) -> Rows:
    from reft_lab.analysis.schema import CONFIG
    from reft_lab.analysis.settings import differing

    table = runs.table
    keys = differing(table) + [key for key in ("seed", "baseline")[not seed :] if table.get(CONFIG + key) is not None]
    rows = [(key, *map(cell, table[CONFIG + key])) for key in keys]
    return [(key, a, b) for key, a, b in rows if a != b]


def _results(a: Series, b: Series) -> Rows:
    rows = [("state", _state(a), _state(b))]
    for stage, words in result_labels().items():
        for split in ("test", "dev"):
            rows.append((f"{words}, {split}", _score(a, f"{stage}_{split}"), _score(b, f"{stage}_{split}")))
    rows += [(name, cell(a[name]), cell(b[name])) for name in ("chosen", "selection")]
    rows += [(f"test, picked on {split}", *_picked(a, b, split)) for split in RULES]
    rows.append(("minutes", _minutes(a["seconds"]), _minutes(b["seconds"])))
    rows += [(words, short(a[f"cost_{name}"]), short(b[f"cost_{name}"])) for name, words in Cost.WORDS.items()]
    rows.append(("minutes of training", _minutes(a["cost_seconds"]), _minutes(b["cost_seconds"])))
    return [row for row in rows if row[1] or row[2]]


def _picked(a: Series, b: Series, split: str) -> tuple[str, str]:
    return per_cent(a[f"picked_on_{split}"]), per_cent(b[f"picked_on_{split}"])


def _state(row: Series) -> str:
    return f"{row['state']}: {row['reason']}" if cell(row["reason"]) else str(row["state"])


def _score(row: Series, name: str) -> str:
    accuracy, low, high, n = (row[f"{name}_{part}"] for part in ("accuracy", "low", "high", "n"))
    return per_cent(accuracy) + (f" ({interval(low, high)}, n={n:.0f})" if low == low and n == n else "")


def _minutes(seconds: float) -> str:
    return "" if seconds != seconds else f"{seconds / 60:.1f}"


def _print(rows: Rows, title: str, none: str) -> None:
    if rows:
        heads = ("", "A", "B")
        print_table([Column(head, [row[i] for row in rows], folds=i > 0) for i, head in enumerate(heads)], title)
    elif none:
        print(f"{none}\n")
