"""A folder of its own for every run, also for two that start in the same second; a study goes on in its folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from reft_lab.errors import BadInput


def claim(composed: DictConfig, words: Sequence[str]) -> tuple[Path, list[str]]:
    """Make the folder that a run (or study) is going to use, and nobody else.

    Args:
        composed: the composed config with Hydra's node.
        words: the command line; a folder that the user names there is taken as it is, and so is that of a study.

    Returns:
        The folder, and the override that tells Hydra about it; none where its name stays as it is.

    Raises:
        BadInput: the folder cannot be made.
    """
    kind = "sweep" if composed.hydra.mode == RunMode.MULTIRUN else "run"
    option = f"hydra.{kind}.dir"
    named = any(word.startswith(f"{option}=") for word in words) or OmegaConf.select(composed, "sweeps") is not None
    wanted = Path(str(composed.hydra[kind].dir))
    for number in count(1):
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(exist_ok=named)
        except OSError as error:
            if isinstance(error, FileExistsError) and not named:
                continue
            why = f"the folder {folder} cannot be made ({error.strerror})"
            raise BadInput(f"{why}; name another: {option}=DIR.") from error
        if named:
            return folder, []
        quoted = str(folder).replace("\\", "\\\\").replace("'", "\\'")
        return folder, [f"{option}='{quoted}'"]
    raise AssertionError("count() does not end")


def remove_if_unused(folder: Path, *, claimed: bool = False) -> None:
    """Take away the folder of a run that never began: it holds Hydra's files only, or none if it was `claimed`."""
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else [""]
    if names == [".hydra"] or (claimed and not names):
        shutil.rmtree(folder)
