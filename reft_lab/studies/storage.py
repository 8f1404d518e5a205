"""Where a study is kept, and whether what is there is this study."""

from __future__ import annotations

import json
import os
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reft_lab.errors import BadInput
from reft_lab.run_dir.files import CONFIG
from reft_lab.studies.definition import Definition
from reft_lab.text import flatten, one_line

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

JOURNAL = "journal://"
MADE_BY, DEFINITION = "made_by", "definition"  # of a study's user attributes
OURS = "reft_lab"
IN_ENVIRONMENT = "environment"  # stands for a storage with a password, which must not be seen in configs and `ps`
STORAGE = "REFT_LAB_STORAGE"
STALE_LOCK = 10  # seconds after which the lock of a process that was killed while it wrote counts for nothing


def check_storage(definition: Definition) -> None:
    """Raises BadInput where a study cannot be kept at the address that it names."""
    url = definition.storage
    if url.startswith(JOURNAL):
        if not url.startswith("journal:///"):
            raise BadInput(f"sweeps.storage={url} is not possible: write journal:///ABSOLUTE_FILE.")
        return
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    forms = "write sqlite:///FILE or postgresql://USER@HOST/DATABASE, or leave it out for a file in the study folder"
    try:
        parsed = make_url(url)
        dialect = parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise BadInput(f"sweeps.storage={url} is not the address of a database; {forms}.") from error
    try:
        dialect.import_dbapi()
    except ImportError as error:
        driver = error.name or parsed.drivername
        install = (
            "pip install 'reft_lab[postgres]'" if parsed.drivername.startswith("postgres") else f"install {driver}"
        )
        raise BadInput(f"sweeps.storage={url} needs the package {driver}: {install}.") from error
    if parsed.drivername.startswith("sqlite"):
        file = parsed.database
        if not file or file == ":memory:":
            raise BadInput(f"sweeps.storage={url} is in memory, where no run could see it; {forms}.")
        if not Path(file).absolute().parent.is_dir():
            raise BadInput(f"sweeps.storage={url} is in a folder that does not exist; make {Path(file).parent} first.")


def open_storage(url: str) -> BaseStorage:
    """The storage at `url`: `journal:///FILE`, which is made where it is missing, or an address of a database.

    Raises:
        BadInput: it cannot be opened.
    """
    import optuna
    from optuna.exceptions import ExperimentalWarning
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", ExperimentalWarning)
    url = os.environ.get(STORAGE, url) if url == IN_ENVIRONMENT else url
    try:
        if url.startswith(JOURNAL):
            file = url.removeprefix(JOURNAL)
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            lock: Any = MendingLock(file, JournalFileOpenLock(file, grace_period=STALE_LOCK))
            return JournalStorage(JournalFileBackend(file, lock_obj=lock))
        return _database(url)
    except Exception as error:  # drivers raise what they like
        raise BadInput(
            f"the study cannot be kept at {shown(url)} ({one_line(error)}); name another place: sweeps.storage=URL."
        ) from error


class MendingLock:
    """A journal's lock; whoever takes it drops the torn last line that a killed writer left.

    Without that the next line would be written behind the torn one, and nobody could read the journal any more.
    """

    def __init__(self, file: str, lock: Any):
        self._file, self._lock = Path(file), lock

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._lock.acquire()
        try:
            with self._file.open("r+b") as file:
                size = file.seek(0, os.SEEK_END)
                if size and (file.seek(size - 1), file.read(1))[1] != b"\n":
                    file.seek(0)
                    file.truncate(file.read().rfind(b"\n") + 1)
        except BaseException:
            self._lock.release()
            raise
        return True

    def release(self) -> None:
        """Let go."""
        self._lock.release()


def _database(url: str) -> BaseStorage:
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import DatabaseError

    options: dict[str, Any] = {"pool_pre_ping": True}
    if url.startswith("sqlite"):
        options["connect_args"] = {"timeout": 60}  # seconds that a writer waits for the others
    for pause in (0.2, 1.0):
        try:
            return RDBStorage(url, engine_kwargs=options)
        except DatabaseError:  # another sweep is making the tables
            time.sleep(pause)
    return RDBStorage(url, engine_kwargs=options)


def has_password(url: str) -> bool:
    """Whether a storage has something in it that nobody should see."""
    return shown(url) != url


def shown(url: str) -> str:
    """A storage as people may see it, without a password."""
    if url.startswith(JOURNAL):
        return url
    from sqlalchemy.engine import make_url

    parsed = make_url(url)
    return parsed.render_as_string(hide_password=True) if parsed.password else url


def open_study(definition: Definition, storage: BaseStorage | None = None) -> Study:
    """The study, made where it is missing; in `storage` where its storage is open already.

    Raises:
        BadInput: another one has its name: of other software, or of another definition.
    """
    import optuna
    from optuna.study import StudyDirection

    study = optuna.create_study(
        storage=storage or open_storage(definition.storage),
        study_name=definition.name,
        directions=[StudyDirection[objective.direction.upper()] for objective in definition.objectives],
        load_if_exists=True,
    )
    attributes = study.user_attrs
    wanted = json.loads(json.dumps(definition.identity()))
    if attributes.get(MADE_BY) != OURS and (attributes or study.trials):
        raise BadInput(
            f"the study {definition.name} in {shown(definition.storage)} was made by other software; take another "
            "name: sweeps.name=NAME."
        )
    if DEFINITION not in attributes:
        _check_free(definition)
        study.set_user_attr(MADE_BY, OURS)  # first: without it nobody could go on with a study that has the other
        study.set_user_attr(DEFINITION, wanted)
    elif found := differences(attributes[DEFINITION], wanted):
        raise BadInput(
            f"the study {definition.name} in {definition.folder} was begun otherwise ({'; '.join(found)}); give what "
            "it was begun with to go on with it, or begin another: sweeps.name=NAME."
        )
    return study


def _check_free(definition: Definition) -> None:
    """A new study must not take runs of another for its own."""
    found = sorted(file.parent for file in definition.folder.glob(f"[0-9]*/**/{CONFIG}"))
    if found:
        raise BadInput(
            f"{definition.folder} holds runs of another study ({found[0].relative_to(definition.folder)}), and its "
            "record is not there; move the folder away, or begin under another name: sweeps.name=NAME."
        )


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What differs, as `space.ppo.lam: interval(0.9, 1.0) -> interval(0.8, 1.0)`."""
    old, new = flatten(before), flatten(after)
    return [
        f"{key}: {old.get(key, 'nothing')} -> {new.get(key, 'nothing')}"
        for key in {**old, **new}
        if old.get(key) != new.get(key)
    ]
