"""The way in: runs from a folder, from W&B's files, or from W&B."""

from __future__ import annotations

from pathlib import Path

from reft_lab.analysis.directory import baseline_of, read_directory
from reft_lab.analysis.found import Found
from reft_lab.analysis.offline import newest_sessions, read_offline
from reft_lab.analysis.online import PREFIX, read_online
from reft_lab.analysis.runs import Runs
from reft_lab.analysis.walk import walk
from reft_lab.errors import BadInput


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
        found = _in_folder(_existing(source), problems, baselines)
    if not found:
        raise BadInput(f"there are no runs in {source}; name a run directory or a folder that holds some.")
    return Runs(found, problems)


def _existing(source: str | Path) -> Path:
    place = Path(source).expanduser()
    if not place.exists():
        raise BadInput(f"{source} does not exist (seen from {Path.cwd()}); name a run directory or a folder of runs.")
    return place


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
    return found + [read_offline(file, problems.append) for file in newest_sessions(files)]
