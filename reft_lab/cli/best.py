"""`reft best`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reft_lab.cli.finding import FOLDERS, STUDIES, find_run, folder_called, runs_in
from reft_lab.errors import BadInput
from reft_lab.numbers import interval, per_cent
from reft_lab.text import counted, did_you_mean, from_here

if TYPE_CHECKING:
    from pandas import DataFrame, Series

    from reft_lab.analysis import Runs

NOT_COPIED = ("manifest.json",)  # it seals a folder in which a card is new


def best(name: str, by: str | None, to: Path | None) -> dict[str, Any]:
    """Print the best finished run in a folder or study, and copy its chosen checkpoint with a card.

    Args:
        name: a folder, a study in multirun/, or a run.
        by: a column or option that decides, as `reft runs --sort` takes it; None: accuracy on the selection split.
        to: a new folder for the copy; None: none is made.

    Returns:
        The run, its accuracies, how it was chosen, and what its checkpoint has earned.

    Raises:
        BadInput: there is no such folder, no finished run in it, no such column, or nothing to copy.
    """
    from reft_lab.report.card import CARD, card, earned
    from reft_lab.run_dir.files import BEST, CHECKPOINTS
    from reft_lab.run_dir.forked import FACTS
    from reft_lab.run_dir.reading import read_object

    runs = _runs(name)
    table = runs.table
    finished = table[table["state"] == "finished"]
    if finished.empty:
        states = ", ".join(f"{count} {state}" for state, count in table["state"].value_counts().items())
        raise BadInput(f"no run in {name} has finished ({states}), so there is no best one yet.")
    key, chosen = _first(finished, by)
    run = next(run for run in runs.found if run.run == chosen["run"])
    directory = Path(str(run.directory))
    policy = _policy(directory)
    if to is not None and policy is None:
        raise BadInput(f"{directory} has no checkpoint to copy: {directory / CHECKPOINTS / BEST} is not there.")
    if to is not None and to.exists():
        raise BadInput(f"--to {to} exists already; name a new folder.")
    print(f"{run.run}: {chosen['name']}")
    scores: dict[str, Any] = {}
    for split in ("dev", "test"):
        accuracy, n = (chosen[f"final_{split}_{part}"] for part in ("accuracy", "n"))
        low, high = chosen[f"final_{split}_low"], chosen[f"final_{split}_high"]
        print(f"{split:<5} {per_cent(accuracy)} %  95 % interval {interval(low, high)}  n {n:.0f}")
        scores[split] = {"accuracy": accuracy, "n": n, "ci95": [low, high]}
    choice = _choice(key, len(finished), name)
    print(choice)
    told = None if policy is None else earned(policy)
    if policy is not None:
        print(f"{from_here(policy)}{f': {told}' if told else ''}")
    if to is not None and policy is not None:
        text = card(run, policy, choice)
        shutil.copytree(policy, to, ignore=shutil.ignore_patterns(*NOT_COPIED))
        (to / CARD).write_text(text, encoding="utf-8")
        print(to / CARD)
    return {
        "run": run.run,
        "name": chosen["name"],
        "by": key,
        "choice": choice,
        **scores,
        "checkpoint": policy,
        "earned": None if policy is None else read_object(policy / FACTS),
        "copy": to,
    }


def _runs(name: str) -> Runs:
    from reft_lab.analysis import Runs

    folder = folder_called(name)
    if folder is not None:
        return runs_in([str(folder)])
    studies = sorted(path.name for path in STUDIES.iterdir()) if STUDIES.is_dir() else []
    if guess := did_you_mean(name, studies):
        raise BadInput(f"there is no study or folder {name}{guess}")
    if not any(Path(folder).is_dir() for folder in FOLDERS):
        raise BadInput(f"there is no folder {name} (seen from {Path.cwd()}).")
    return Runs([find_run(name)], [])


def _first(finished: DataFrame, by: str | None) -> tuple[str, Series]:
    """The key that decides, and the row that is first by it, the earliest of those that are equally good."""
    from reft_lab.cli.where import column, ordered

    splits = set(finished["selection"].dropna()) or {"dev"}
    if by is None and len(splits) > 1:
        raise BadInput("some of these runs were selected on dev and some on test; say which is meant: --by dev.")
    key = by or splits.pop()
    values = ordered(finished.sort_values("started", kind="stable"), key)[column(finished, key.removeprefix("-"))]
    top = values.iloc[0]
    equal = finished[finished[values.name] == top].sort_values("started", kind="stable")
    if equal.empty:
        raise BadInput(f"no finished run has a value of {key.removeprefix('-')}.")
    return key, equal.iloc[0]


def _choice(key: str, count: int, name: str) -> str:
    if count == 1:
        return f"It is the only finished run in {name}."
    said = f"It is the first of {counted(count, 'finished run')} in {name} by {key}"
    if key == "dev":
        return f"{said}, so its accuracy on dev is on the high side; test had no say."
    if key == "test":
        return f"{said}, so its accuracy on test is on the high side."
    return f"{said}."


def _policy(directory: Path) -> Path | None:
    """The folder to copy: the merged model where there is one, else the chosen checkpoint; None where there is none."""
    from reft_lab.run_dir.files import BEST, CHECKPOINTS, MERGED

    folders = (directory / CHECKPOINTS / name for name in (MERGED, BEST))
    return next((folder for folder in folders if folder.is_dir()), None)
