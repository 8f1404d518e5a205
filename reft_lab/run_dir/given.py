"""The policy of a run directory, as another run is given it: where it is, and how it was trained to be asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from reft_lab.errors import BadInput
from reft_lab.run_dir.files import CHECKPOINTS, CONFIG, looks_like_a_run
from reft_lab.run_dir.reading import read_yaml
from reft_lab.run_dir.saved import fix_paths, started_from
from reft_lab.text import leaves, one_line

BEST = "best"


@dataclass(frozen=True)
class GivenRun:
    """A policy of a run.

    Attributes:
        directory: the run directory.
        policy: the checkpoint, a transformers folder.
        options: those of the run by their dotted names, with paths as seen from anywhere.
    """

    directory: Path
    policy: Path
    options: dict[str, Any]


def given_run(path: str, key: str = "model.path") -> GivenRun | None:
    """The policy that `path` names, where it is a run directory or a checkpoint in one; None for anything else.

    A run directory stands for its best policy.

    Args:
        path: a folder, or the id of a model on the hub.
        key: the option that names it, for messages.

    Raises:
        BadInput: the run has no policy yet, or its config cannot be read.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        return None
    directory, policy = folder, folder / CHECKPOINTS / BEST
    if not _is_run(folder):
        directory, policy = folder.absolute().parent.parent, folder
        if policy.absolute().parent.name != CHECKPOINTS or not _is_run(directory):
            return None
    if not policy.is_dir():
        raise BadInput(f"{key}={path} is a run without a policy: there is no {policy}; let it get that far first.")
    try:
        experiment = OmegaConf.create(read_yaml(directory / CONFIG))
    except (OSError, yaml.YAMLError, ValueError) as error:
        raise BadInput(
            f"{directory / CONFIG} cannot be read ({one_line(error)}), so how the policy of {key}={path} was asked is "
            "not known; copy the checkpoint out of the run directory, and set the options yourself."
        ) from error
    fix_paths(experiment, started_from(directory) or Path.cwd())
    plain: Any = OmegaConf.to_container(experiment)
    return GivenRun(directory, policy, dict(leaves(plain)))


def _is_run(folder: Path) -> bool:
    return folder.is_dir() and looks_like_a_run({entry.name for entry in folder.iterdir()})
