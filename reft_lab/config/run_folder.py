"""A folder of its own for every run, also for two that start in the same second."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path

from hydra.types import RunMode
from omegaconf import DictConfig

from reft_lab.errors import BadInput


def claim(composed: DictConfig, words: Sequence[str]) -> list[str]:
    """Make the folder that a run (or study) is going to use, and nobody else.

    Args:
        composed: the composed config with Hydra's node.
        words: the command line; a folder that the user names there is taken as it is.

    Returns:
        The override that tells Hydra about the folder, if there is anything to tell.

    Raises:
        BadInput: the folder cannot be made.
    """
    kind = "sweep" if composed.hydra.mode == RunMode.MULTIRUN else "run"
    option = f"hydra.{kind}.dir"
    named = any(word.startswith(f"{option}=") for word in words)
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
            return []
        quoted = str(folder).replace("\\", "\\\\").replace("'", "\\'")
        return [f"{option}='{quoted}'"]
    raise AssertionError("count() does not end")
