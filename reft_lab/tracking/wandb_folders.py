"""W&B's folders inside a run directory: one a session, of which the newest offline one holds the whole curve."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

SUPERSEDED = "superseded"


def staged(folder: Path) -> list[Path]:
    """What W&B holds ready for uploads: tables of samples and lists of files, which a later `wandb sync` needs.

    Args:
        folder: the `wandb` folder of the run directory.
    """
    return list((folder / "data" / "artifacts" / "staging").glob("*"))


def supersede(folder: Path, current: str, staged_before: Iterable[Path] = ()) -> None:
    """Put the folders of earlier sessions where `wandb sync` does not look, once the newest holds all they held.

    The last ones put away before are deleted first, so a run that is resumed often does not fill the disk.

    Args:
        folder: the `wandb` folder of the run directory.
        current: name of the folder of this session.
        staged_before: what earlier sessions held ready, which nobody needs any more.
    """
    for path in staged_before:
        path.unlink(missing_ok=True)
    earlier = [path for path in folder.glob("*run-*") if path.is_dir() and not path.is_symlink()]
    earlier = [path for path in earlier if path.name != current]
    if not earlier:
        return
    away = folder / SUPERSEDED
    shutil.rmtree(away, ignore_errors=True)
    away.mkdir()
    for path in earlier:
        path.rename(away / path.name)
