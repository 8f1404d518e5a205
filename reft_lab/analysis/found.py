"""One run as a source tells of it, and where it stands among others; the frame is made of these."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from reft_lab.run_dir.progress import Doing

RUNNING, FINISHED, FAILED, INTERRUPTED, PRUNED = "running", "finished", "failed", "interrupted", "pruned"
CRASHED, DAMAGED = "crashed", "damaged"
STATUSES = (FINISHED, FAILED, INTERRUPTED, PRUNED)  # what a run says of itself, in result.json and in W&B's summary
STATES = (RUNNING, *STATUSES, CRASHED, DAMAGED)

CONFIRM = "confirm"
OF_A_STUDY = (".sweep.lock", "study.csv", "journal.log")

Line = Mapping[str, Any]


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


@dataclass(frozen=True)
class Found:
    """One run.

    Attributes:
        run: its id, unique within what is loaded.
        source: `directory`, `offline` or `wandb`.
        state: one of STATES.
        reason: one sentence on why it is in that state; None where there is nothing to say.
        config: its config, flat: `ppo.kl_coef`.
        result: as result.json; whatever is not there is left out.
        started: when, UTC.
        step: the last step it recorded.
        seconds: how long it has been recording.
        directory: the run directory, where there is one.
        host: the machine that it works on, or worked on last; None where that is not known.
        doing: what it does, or did when it was killed, and how far it is; None where it does not say.
        place: where it stands among others.
        history: reads its steps, each with `step` and its metrics.
        samples: reads its sampled responses.
        predictions: reads its predictions on the test split.
    """

    run: str
    source: str
    state: str
    reason: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    started: datetime | None = None
    step: int | None = None
    seconds: float | None = None
    directory: Path | None = None
    host: str | None = None
    doing: Doing | None = None
    place: Place = field(default_factory=Place)
    history: Callable[[], Iterable[Line]] = tuple
    samples: Callable[[], Iterable[Line]] = tuple
    predictions: Callable[[], Iterable[Line]] = tuple

    @property
    def confirm(self) -> str | None:
        """Side of the comparison after a search that it belongs to, as in Place; None for all other runs."""
        told = self.config.get("study.confirms")
        return self.place.confirm if told is None else str(told)


def place_of(directory: Path) -> Place:
    """The place of a run directory.

    Runs of a study are `NAME/TRIAL`, `NAME/TRIAL/seed-SEED`, and `NAME/confirm/SIDE/seed-SEED` for the comparison
    after a search. Runs of a plain `-m` command are `FOLDER/NUMBER`, beside a multirun.yaml.
    """
    directory = directory.absolute()
    above = directory.parent
    if re.fullmatch(r"seed-\d+", directory.name):
        if above.parent.name == CONFIRM and is_study(above.parent.parent):
            folder = above.parent.parent
            return Place(folder, folder.name, None, above.name)
        directory, above = above, above.parent
    if not directory.name.isdecimal():
        return Place()
    if is_study(above):
        return Place(above, above.name, int(directory.name))
    return Place(above) if (above / "multirun.yaml").is_file() else Place()


def is_study(folder: Path) -> bool:
    """Whether a folder is that of a study, whose first run may not have begun yet."""
    return any((folder / name).is_file() for name in OF_A_STUDY)
