"""The way in: runs from a folder, from W&B's files, or from W&B."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from reft_lab.analysis.directory import baseline_of, read_directory
from reft_lab.analysis.found import Found
from reft_lab.analysis.offline import read_offline
from reft_lab.analysis.online import PREFIX, read_online
from reft_lab.analysis.runs import Runs
from reft_lab.errors import BadInput
from reft_lab.run_dir.files import looks_like_a_run
from reft_lab.run_dir.reading import Say, ignore
from reft_lab.tracking.wandb_run import SUPERSEDED


def load(source: str | Path, *, baselines: bool = False) -> Runs:
    """Runs as data frames, whatever state they are in.

    Args:
        source: a run directory, a folder that holds runs or studies at any depth, a folder or file of W&B's, or
            `wandb:ENTITY/PROJECT` or `wandb:ENTITY/PROJECT/GROUP`.
        baselines: whether the SFT baselines inside run directories are runs as well.

    Raises:
        BadInput: there is nothing at `source`, or W&B cannot be asked.
    """
    problems: list[str] = []
    if str(source).startswith(PREFIX):
        found = read_online(str(source), problems.append)
    else:
        folder = Path(source).expanduser()
        if not folder.exists():
            raise BadInput(
                f"{source} does not exist (seen from {Path.cwd()}); name a run directory or a folder of runs."
            )
        found = _in_folder(folder, problems, baselines)
    if not found:
        raise BadInput(f"there are no runs in {source}; name a run directory or a folder that holds some.")
    return Runs(found, problems)


def run_directories(folder: Path) -> Iterator[Path]:
    """The run directories in a folder, at any depth, by name; what cannot be read is passed over."""
    return (path for path, is_directory in walk(folder, ignore) if is_directory)


def _in_folder(folder: Path, problems: list[str], baselines: bool) -> list[Found]:
    found, files = [], []
    for path, is_directory in walk(folder, problems.append):
        if not is_directory:
            files.append(path)
            continue
        run = folder.absolute().name if path == folder else path.relative_to(folder).as_posix()
        found.append(read_directory(path, run, problems.append))
        baseline = baseline_of(path) if baselines else None
        if baseline is not None:
            found.append(read_directory(baseline, f"{run}/{baseline.name}", problems.append))
    return found + read_offline(files, problems.append)


def walk(folder: Path, say: Say) -> Iterator[tuple[Path, bool]]:
    """Run directories, and W&B's files of runs that have none, at any depth: by name, numbers by size.

    A run directory is not looked into: its baseline and its files of W&B belong to it. Links are not followed.

    Args:
        folder: where to look; a file is one of W&B's.
        say: told of folders that cannot be read.

    Yields:
        The path, and whether it is a run directory; else it is a file of W&B.
    """
    if folder.is_file():
        yield folder, False
        return
    try:
        with os.scandir(folder) as entries:
            inside = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
    except OSError as error:
        say(f"{folder} cannot be read ({error.strerror})")
        return
    if looks_like_a_run(set(inside)):
        yield folder, True
        return
    yield from ((folder / name, False) for name in sorted(inside) if name.endswith(".wandb") and not inside[name])
    for name in sorted((name for name, is_folder in inside.items() if is_folder), key=_naturally):
        if name != SUPERSEDED and not name.startswith("."):
            yield from walk(folder / name, say)


def _naturally(name: str) -> tuple[bool, int, str]:
    """Numbers before words, by size."""
    return (False, int(name), name) if name.isdecimal() else (True, 0, name)
