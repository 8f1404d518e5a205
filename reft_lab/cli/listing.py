"""`reft runs`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reft_lab.cli.finding import runs_in
from reft_lab.cli.rows import Column, cell, print_table
from reft_lab.cli.settings import settings_of
from reft_lab.cli.where import narrowed, ordered
from reft_lab.numbers import duration, per_cent
from reft_lab.text import from_here

if TYPE_CHECKING:
    from pandas import DataFrame, Series


def list_runs(
    folders: Sequence[str],
    states: Sequence[str],
    where: Sequence[str],
    study: str | None,
    sort: str,
    limit: int | None,
    *,
    as_csv: bool,
) -> Any:
    """Print the chosen runs; `reft runs --help` explains which and in which order.

    Returns:
        A record of all columns for each.

    Raises:
        BadInput: there is no such folder, state, study, option or column.
    """
    runs = runs_in(folders)
    for problem in runs.problems:
        print(f"note: {problem}", file=sys.stderr)
    chosen = ordered(narrowed(runs.table, states, study, where), sort)
    listed = chosen if limit is None else chosen.head(limit)
    if as_csv:
        sys.stdout.write(listed.to_csv(index=False))
    elif listed.empty:
        print(f"none of the {len(runs)} runs matches")
    else:
        _print(listed, as_tree=sort.removeprefix("-") == "age")
    if len(listed) < len(chosen):
        print(f"the first {len(listed)} of {len(chosen)} runs; --all lists all", file=sys.stderr)
    return json.loads(listed.to_json(orient="records", date_format="iso"))


def _print(table: DataFrame, *, as_tree: bool) -> None:
    forks = _forks(table)
    depths = dict.fromkeys(range(len(table)), 0)
    if as_tree:
        depths = _tree(list(forks))
        table, forks = table.iloc[list(depths)], [forks[row] for row in depths]
    settings = settings_of(table)
    columns = [
        Column("state", list(table["state"])),
        *(
            Column(name, [cell(value) for value in table[name]], folds=True, obvious=True)
            for name in ("model", "data", "method")
        ),
        Column("settings", settings, folds=True),
        Column("now", [_now(row) for _, row in table.iterrows()], folds=True),
        *(
            Column(f"{split} %", [per_cent(v) for v in table[f"final_{split}_accuracy"]], right=True)
            for split in ("dev", "test")
        ),
        Column("age", [age(started) for started in table["started"]], right=True),
        Column("fork of", [_origin(fork, under=depth > 0) for fork, depth in zip(forks, depths.values(), strict=True)]),
        Column(
            "path", [_branch(depth) + run for run, depth in zip(table["run"], depths.values(), strict=True)], folds=True
        ),
    ]
    print_table([column for column in columns if any(column.cells)])


def _now(row: Series) -> str:
    """What a run that goes on does and how far it is; where a run stopped that nothing else tells of."""
    import pandas

    from reft_lab.analysis.found import RUNNING

    if pandas.isna(row["doing"]):
        return ""
    parts = [str(row["doing"]), f"{per_cent(row['share'], 0)} %"]
    if row["state"] == RUNNING and not pandas.isna(row["left"]):
        parts.append(f"{duration(round(row['left']))} left")
    if not pandas.isna(row["accuracy_so_far"]):
        parts.append(f"{row['selection']} {per_cent(row['accuracy_so_far'])} %")
    return ", ".join(parts)


@dataclass(frozen=True)
class _Fork:
    """Where a run forks from.

    Attributes:
        run: the run directory.
        moment: the step, or a name.
        row: the place of that run among those listed; None where it is not.
    """

    run: str
    moment: str
    row: int | None


def _forks(table: DataFrame) -> list[_Fork | None]:
    """Where each of the runs listed forks from; None for those that fork from none."""
    from reft_lab.analysis.schema import CONFIG

    if CONFIG + "fork" not in table.columns:
        return [None] * len(table)
    places = [str(Path(each).absolute()) if isinstance(each, str) else None for each in table["directory"]]
    found: list[_Fork | None] = []
    for fork in table[CONFIG + "fork"]:
        run, _, moment = fork.rpartition("@") if isinstance(fork, str) else ("", "", "")
        found.append(_Fork(run, moment, places.index(run) if run in places else None) if run else None)
    return found


def _tree(forks: Sequence[_Fork | None]) -> dict[int, int]:
    """The rows with every fork below its run, otherwise in their order; the value is how deep a row stands."""
    below: dict[int | None, list[int]] = {}
    for row, fork in enumerate(forks):
        below.setdefault(None if fork is None else fork.row, []).append(row)
    depths: dict[int, int] = {}

    def add(row: int, depth: int) -> None:
        if row not in depths:  # what was edited by hand may go round in circles
            depths[row] = depth
            for each in below.get(row, []):
                add(each, depth + 1)

    for row in [*below.get(None, []), *range(len(forks))]:
        add(row, 0)
    return depths


def _origin(fork: _Fork | None, *, under: bool) -> str:
    """Where a run forks from; the moment alone where it stands under its run."""
    if fork is None:
        return ""
    return f"{'' if under else from_here(Path(fork.run))}@{fork.moment}"


def _branch(depth: int) -> str:
    return "   " * (depth - 1) + "└─ " if depth else ""


def age(started: Any, now: datetime | None = None) -> str:
    """How long ago a run started, in the largest unit: 40 s, 12 min, 5 h, 3 d; empty where it is not known."""
    import pandas

    if pandas.isna(started):
        return ""
    seconds = max(0.0, ((now or datetime.now(UTC)) - started).total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"
