"""A run directory as one finds it: its experiment, how it was asked for, and whether it is finished."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from reft_lab.config.explain import explain
from reft_lab.config.schema import Config
from reft_lab.errors import BadInput, Missing
from reft_lab.run_dir.changes import PATHS
from reft_lab.run_dir.files import BASELINE, CHECKPOINTS, CONFIG, HYDRA, PASSPORT, RESULT
from reft_lab.run_dir.reading import is_finished, read_object, read_yaml


@dataclass(frozen=True)
class SavedRun:
    """A run directory, and its config with paths as seen from anywhere."""

    directory: Path
    experiment: DictConfig

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return is_finished(self.directory)

    @property
    def warmup_is_over(self) -> bool:
        """Whether the policy after warm-up is there."""
        return (self.directory / CHECKPOINTS / "warmup").is_dir()

    @cached_property
    def result(self) -> dict[str, Any]:
        """Its result.json; empty where there is none that can be read."""
        return read_object(self.directory / RESULT) or {}

    @cached_property
    def hydra(self) -> dict[str, Any]:
        """Hydra's settings of the run; empty where they are gone."""
        try:
            return dict(read_yaml(self.directory / HYDRA / "hydra.yaml")["hydra"])
        except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError):
            return {}


def read(directory: Path, word: str = "resume") -> SavedRun:
    """The run in `directory`, which `word` names on the command line.

    Raises:
        BadInput: there is none, or its config cannot be read.
    """
    _check_place(directory, word)
    try:
        experiment = OmegaConf.merge(OmegaConf.structured(Config), read_yaml(directory / CONFIG))
    except OSError as error:
        raise BadInput(f"{directory / CONFIG} cannot be read ({error.strerror}).") from error
    except (OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
        why = explain(error).rstrip(".")
        raise BadInput(
            f"{directory / CONFIG} is damaged or of another version ({why}), so the run cannot go on; put it right, or "
            f"leave out {word}= to start a new run."
        ) from error
    assert isinstance(experiment, DictConfig)
    fix_paths(experiment, started_from(directory) or Path.cwd())
    return SavedRun(directory, experiment)


def started_from(directory: Path) -> Path | None:
    """The folder in which the run in `directory` was started; None where its passport does not tell."""
    folder = (read_object(directory / PASSPORT) or {}).get("folder")
    return Path(folder) if isinstance(folder, str) else None


def fix_paths(experiment: DictConfig, folder: Path) -> None:
    """Make the relative paths of an experiment that was started in `folder` absolute, in place."""
    for key in PATHS:
        text = OmegaConf.select(experiment, key)
        if text is None or text.startswith("~") or Path(text).is_absolute():
            continue
        # What is not there may be a model on the hub, or data that was moved along with the user.
        if (folder / text).exists() or (key not in ("model.path", "decode.reranker") and not Path(text).exists()):
            OmegaConf.update(experiment, key, str((folder / text).absolute()))


def _check_place(directory: Path, word: str) -> None:
    """A run directory is there, and not merely something near one."""
    if not directory.exists():
        raise Missing(f"{word}={directory} does not exist (seen from {Path.cwd()})", "name the directory of a run.")
    home = next(filter(_is_run, directory.absolute().parents), None)
    if directory.name == BASELINE and home is not None and word == "resume":
        raise BadInput(f"{directory} is the SFT baseline of a run and goes on with it: resume={home}.")
    if _is_run(directory):
        return
    if home is not None:
        raise BadInput(f"{directory} is part of a run directory; name the whole: {word}={home}.")
    files = [*directory.glob(f"*/{CONFIG}"), *directory.glob(f"*/*/{CONFIG}")]
    newest_first = sorted(files, key=lambda file: file.stat().st_mtime, reverse=True)
    newest = next((file.parent for file in newest_first if _is_run(file.parent)), None)
    if newest is not None:
        raise BadInput(f"{directory} holds run directories and is none; name one of them, such as {word}={newest}.")
    if (directory / HYDRA).is_dir():
        raise BadInput(f"the run in {directory} was stopped before it began; start it again without {word}=.")
    raise BadInput(f"{directory} is not a run directory.")


def _is_run(folder: Path) -> bool:
    """Whether a folder is a run directory; other software has a config.yaml too, and so has `.hydra/`."""
    return (folder / CONFIG).is_file() and ((folder / PASSPORT).is_file() or (folder / HYDRA).is_dir())
