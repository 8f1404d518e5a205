"""`resume=auto`: the newest unfinished run of an experiment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from yaml import YAMLError

from reft_lab.command.resume import ONE_OR_THE_OTHER, Resumption, with_changes
from reft_lab.compose.conf import experiment_of
from reft_lab.errors import BadInput
from reft_lab.run_dir.changes import changes, flat, surely_another
from reft_lab.run_dir.files import CONFIG
from reft_lab.run_dir.lock import is_held
from reft_lab.run_dir.reading import is_finished, read_yaml
from reft_lab.run_dir.saved import fix_paths, read


def unfinished(composed: DictConfig) -> Resumption | str | None:
    """The newest unfinished run of the same experiment that nobody is at work on; None where there is none.

    It is looked for where runs go: hydra.run.dir and hydra.sweep.dir, up to the parts that differ from run to run. A
    hydra.run.dir without such parts is one run directory, and the run in it is taken whatever its state: a sentence
    where nothing is left to do.

    Args:
        composed: the experiment that the command line stands for, with Hydra's node.

    Raises:
        BadInput: hydra.run.dir holds a run of another experiment, or nothing is to be run.
    """
    wanted = experiment_of(composed)
    if wanted.preflight:
        raise BadInput(ONE_OR_THE_OTHER)
    fix_paths(wanted, Path.cwd())
    places = run_places(composed)
    folder, depth = places[0]
    if depth == 0:
        return with_changes(read(folder), wanted) if (folder / CONFIG).is_file() else None
    options = flat(wanted)
    named = [OmegaConf.to_yaml(OmegaConf.create({key: options[key]})) for key in ("name", "seed")]
    for directory in newest_first(places):
        if not is_finished(directory) and _mentions(directory, named) and _is_same_experiment(directory, options):
            return with_changes(read(directory), wanted)
    return None


def run_places(composed: DictConfig) -> list[tuple[Path, int]]:
    """The folders below which runs go, and how many levels below: those of single runs, then those of studies."""
    raw: Any = OmegaConf.to_container(composed.hydra, resolve=False)
    single, study = raw["run"]["dir"], f"{raw['sweep']['dir']}/{raw['sweep']['subdir']}"
    return [_fixed_part(single), _fixed_part(study)]


def newest_first(places: list[tuple[Path, int]]) -> Iterator[Path]:
    """The run directories in `places`, the one whose config was written last first."""
    found: dict[Path, float] = {}
    for folder, depth in places:
        for file in folder.glob("/".join(["*"] * depth + [CONFIG])):
            found[file.parent] = file.stat().st_mtime
    return iter(sorted(found, key=lambda directory: found[directory], reverse=True))


def _fixed_part(pattern: str) -> tuple[Path, int]:
    """The part of a path before the first interpolation, and the number of levels that follow."""
    parts = Path(pattern).parts
    fixed = next((i for i, part in enumerate(parts) if "${" in part), len(parts))
    return Path(*parts[:fixed]), len(parts) - fixed


def _mentions(directory: Path, lines: list[str]) -> bool:
    """Whether these lines are in the saved config: looking at the text takes a hundredth of reading it."""
    text = "\n" + (directory / CONFIG).read_text(encoding="utf-8", errors="replace")
    return all(f"\n{line}" in text for line in lines)


def _is_same_experiment(directory: Path, options: dict[str, Any]) -> bool:
    """Whether the run is the same experiment, up to what may change, and free."""
    try:
        if surely_another(read_yaml(directory / CONFIG), options):
            return False
        saved = read(directory)
        if saved.experiment.study.storage is not None:  # its study goes on with it
            return False
    except (BadInput, OSError, YAMLError, ValueError):
        return False
    found = changes(flat(saved.experiment), options, warmup_is_over=saved.warmup_is_over)
    return all(change.allowed for change in found) and not is_held(directory)
