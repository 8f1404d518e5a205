"""Where a study is kept, and whether what is there is this study."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reft_lab.errors import BadInput
from reft_lab.sweeping.definition import Definition

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

JOURNAL = "journal://"
MADE_BY, DEFINITION = "made_by", "definition"  # of a study's user attributes
OURS = "reft_lab"
STALE_LOCK = 10  # seconds after which the lock of a process that was killed while it wrote counts for nothing


def open_storage(url: str) -> BaseStorage:
    """The storage at `url`: `journal:///FILE`, which is made where it is missing, or an address of a database.

    Raises:
        BadInput: it cannot be opened.
    """
    import optuna
    from optuna.exceptions import ExperimentalWarning
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", ExperimentalWarning)
    try:
        if url.startswith(JOURNAL):
            file = url.removeprefix(JOURNAL)
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            lock = JournalFileOpenLock(file, grace_period=STALE_LOCK)
            return JournalStorage(JournalFileBackend(file, lock_obj=lock))
        return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
    except Exception as error:  # drivers raise what they like
        first = " ".join(str(error).split())[:200] or type(error).__name__
        raise BadInput(
            f"the study cannot be kept at {url} ({first}); name another place: sweeps.storage=URL."
        ) from error


def open_study(definition: Definition) -> Study:
    """The study, made where it is missing.

    Raises:
        BadInput: another one has its name: of other software, or of another definition.
    """
    import optuna
    from optuna.study import StudyDirection

    study = optuna.create_study(
        storage=open_storage(definition.storage),
        study_name=definition.name,
        directions=[StudyDirection[objective.direction.upper()] for objective in definition.objectives],
        load_if_exists=True,
    )
    attributes = study.user_attrs
    wanted = json.loads(json.dumps(definition.identity()))
    if attributes.get(MADE_BY) != OURS and (attributes or study.trials):
        raise BadInput(
            f"the study {definition.name} in {definition.storage} was made by other software; take another name: "
            "sweeps.name=NAME."
        )
    if DEFINITION not in attributes:
        study.set_user_attr(DEFINITION, wanted)
        study.set_user_attr(MADE_BY, OURS)
    elif found := differences(attributes[DEFINITION], wanted):
        raise BadInput(
            f"the study {definition.name} in {definition.folder} was begun otherwise ({'; '.join(found)}); give what "
            "it was begun with to go on with it, or begin another: sweeps.name=NAME."
        )
    return study


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What differs, as `space.ppo.lam: interval(0.9, 1.0) -> interval(0.8, 1.0)`."""
    old, new = dict(_flat(before)), dict(_flat(after))
    return [
        f"{key}: {old.get(key, 'nothing')} -> {new.get(key, 'nothing')}"
        for key in {**old, **new}
        if old.get(key) != new.get(key)
    ]


def _flat(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, entry in value.items():
        if isinstance(entry, dict) and entry:
            yield from _flat(entry, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", entry
