"""Finds runs by what people type: a folder, a path, or the beginning of a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from reft_lab.errors import BadInput
from reft_lab.text import did_you_mean, from_here

if TYPE_CHECKING:
    from reft_lab.analysis import Runs
    from reft_lab.analysis.found import Found

FOLDERS = ("outputs", "multirun")  # where run.py puts runs
STUDIES = Path("multirun")


def runs_in(folders: Sequence[str]) -> Runs:
    """The runs in several folders, named by their paths relative to here; without folders, those that run.py made here.

    Raises:
        BadInput: there is no such folder, or no run in it.
    """
    from reft_lab.analysis import Runs, load

    sources = list(folders) or [folder for folder in FOLDERS if Path(folder).is_dir()]
    if not sources:
        raise BadInput(
            f"there is no outputs/ or multirun/ in {Path.cwd()}; go to where runs were made, or name a folder."
        )
    found: dict[str, Found] = {}
    problems: list[str] = []
    for source in sources:
        try:
            runs = load(source)
        except BadInput:
            if folders:
                raise
            continue  # an empty outputs/ is not a mistake
        found |= {run.run: run for run in map(_by_path, runs.found)}
        problems += runs.problems
    if not found:
        raise BadInput(f"there are no runs in {' or '.join(sources)} (seen from {Path.cwd()}).")
    return Runs(list(found.values()), problems)


def find_runs(name: str) -> list[Found]:
    """The runs that `name` stands for: one, as `find_run` takes it, or all those in a folder.

    Raises:
        BadInput: there is no such run, or a name may mean several.
    """
    from reft_lab.analysis import load

    if Path(name).expanduser().exists():
        return [_by_path(run) for run in load(name).found]
    return [find_run(name)]


def folder_called(name: str) -> Path | None:
    """The folder at that path, or the study of that name in multirun/; None where there is neither."""
    return next((folder for folder in (Path(name).expanduser(), STUDIES / name) if folder.is_dir()), None)


def find_run(name: str) -> Found:
    """The run that `name` stands for.

    Args:
        name: a run directory; or the beginning of its path, of its name, or of the end of its path (`kl/0`) among the
            runs that run.py made here.

    Raises:
        BadInput: there is no such run, or there are several.
    """
    from reft_lab.analysis import load

    if Path(name).expanduser().exists():
        found = [_by_path(run) for run in load(name).found]
        if len(found) > 1:
            raise BadInput(f"{name} holds {len(found)} runs; name one of them, such as {found[0].run}.")
        return found[0]
    here = runs_in([]).found
    wanted = name.strip("/")
    exact = [run for run in here if wanted in _ends(run.run)]
    near = exact or [run for run in here if any(end.startswith(wanted) for end in _ends(run.run))]
    if len(near) == 1:
        return near[0]
    if near:
        some = ", ".join(run.run for run in near[:3])
        raise BadInput(
            f"{name} may mean {len(near)} runs: {some}{', ...' if len(near) > 3 else ''}; type more of its name."
        )
    guess = did_you_mean(wanted, (end for run in here for end in _ends(run.run)))
    raise BadInput(f"no run is called {name}{guess or '; `reft runs` lists those there are.'}")


def _ends(path: str) -> list[str]:
    """`a/b/c` -> `a/b/c`, `b/c`, `c`."""
    parts = path.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _by_path(run: Found) -> Found:
    """The run, named by its path relative to here; one without a directory keeps its id."""
    if run.directory is None:
        return run
    return replace(run, run=str(from_here(run.directory)))
