"""Where a run directory stands: alone, in a study, or among the runs of one `-m` command."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

CONFIRM = "confirm"
OF_A_STUDY = (".sweep.lock", "study.csv", "journal.log")


@dataclass(frozen=True)
class Place:
    """Where a run stands among others.

    Attributes:
        folder: the folder of the study or of the runs of one `-m` command; None where it was run alone.
        study: name of the study by its folder.
        trial: number of the trial by its folder.
        confirm: side of the comparison after a search that it belongs to: `trial-NUMBER` or `first`.
    """

    folder: Path | None = None
    study: str | None = None
    trial: int | None = None
    confirm: str | None = None


def place_of(directory: Path) -> Place:
    """The place of a run directory.

    Runs of a study are `NAME/TRIAL`, `NAME/TRIAL/seed-SEED`, and `NAME/confirm/SIDE/seed-SEED` for the comparison
    after a search. Runs of a plain `-m` command are `FOLDER/NUMBER`, beside a multirun.yaml.
    """
    directory = directory.absolute()
    above = directory.parent
    if re.fullmatch(r"seed-\d+", directory.name):
        if above.parent.name == CONFIRM and _is_study(above.parent.parent):
            folder = above.parent.parent
            return Place(folder, folder.name, None, above.name)
        directory, above = above, above.parent
    if not directory.name.isdecimal():
        return Place()
    if _is_study(above):
        return Place(above, above.name, int(directory.name))
    return Place(above) if (above / "multirun.yaml").is_file() else Place()


def _is_study(folder: Path) -> bool:
    return any((folder / name).is_file() for name in OF_A_STUDY)
