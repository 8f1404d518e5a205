"""The W&B side of a run. Its files stay inside the run directory, and no run ever waits for or fails with a server.

A run has one W&B id, kept in passport.json. metrics.jsonl and samples.jsonl are the truth that W&B is brought up to
when a run is resumed: online it gets the steps that the server lacks; offline, where W&B cannot resume, a new folder
gets all of them.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reft_lab.config.schema import Config
from reft_lab.errors import RunFailed
from reft_lab.run_dir.directory import RunDirectory
from reft_lab.run_dir.files import WANDB
from reft_lab.signals import children_are_spared
from reft_lab.text import from_here, one_line
from reft_lab.tracking.recorder import SAMPLES, Start, recorded
from reft_lab.tracking.wandb_artifacts import log_checkpoint, table
from reft_lab.tracking.wandb_labels import PRUNED, STEP, define_metrics, tags
from reft_lab.tracking.wandb_settings import choose_mode

START_TIMEOUT = 90.0  # seconds that W&B may take to begin offline, on a machine that is busy
FINISH_TIMEOUT = 60.0  # seconds that the last uploads may take; what is left stays on disk, for `wandb sync`
SUPERSEDED = "superseded"  # folder of sessions that a newer one replaces


class WandbRun:
    """A W&B run under way.

    Attributes:
        url: its page; None offline.
    """

    def __init__(self, run: Any, tags: Sequence[str] = (), *, online: bool = False):
        """`tags` are those that the run has unless it is pruned."""
        self._run = run
        self.url: str | None = run.url if online else None
        self._tags = tuple(tags)
        self._first = int(run.starting_step)  # the first one that W&B does not have yet

    @property
    def entity(self) -> str | None:
        """The user or team that the run belongs to; None where only the server would know."""
        return self._run.entity or None

    @property
    def upload(self) -> str | None:
        """The command that uploads it, for the folder that this one came from; None online."""
        return None if self.url else shlex.join(["wandb", "sync", str(from_here(Path(self._run.dir).parents[1]))])

    def log(self, step: int, record: Mapping[str, Any], samples: Sequence[Mapping[str, Any]] = ()) -> None:
        """Record numbers under their names at `step`, with a table of samples, unless W&B has that step already."""
        if step < self._first:
            return
        row = {STEP: step, **record}
        if samples:
            row[SAMPLES] = table(self._run, step, samples)
        self._run.log(row, step=step, commit=True)

    def catch_up(self, directory: RunDirectory, seconds: float) -> None:
        """Give W&B the lines of metrics.jsonl that it lacks, with their samples.

        Lines are dated as if the run, whose stopwatch shows `seconds` now, had never stopped.
        """
        began = time.time() - seconds
        for step, line, samples in recorded(directory):
            self.log(step, line | {"_timestamp": began + line["seconds"]}, samples)

    def finish(self, summary: Mapping[str, Any], exit_code: int, checkpoint: Path | None = None) -> str | None:
        """Close the run; a second run of the same process would otherwise join it.

        `summary` is what there is to say of the run as a whole, `status` included; a `checkpoint` is uploaded. Returns
        how to upload the run, where that is left to the user.
        """
        self._run.summary.update(dict(summary))
        self._run.tags = (*self._tags, PRUNED) if summary.get("status") == PRUNED else self._tags
        try:
            if checkpoint is not None:
                log_checkpoint(self._run, checkpoint, summary)
        finally:
            self._run.finish(exit_code=exit_code)
        return None if self.upload is None else f"W&B: offline; to upload it: {self.upload}"


def start(config: Config, directory: RunDirectory, seconds: float) -> Start:
    """Begin a W&B run as config.tracker asks, or go on with the one of an earlier session.

    The metrics.jsonl of the directory holds what W&B should know already, dated by `seconds`, the run's stopwatch.

    Returns:
        The run (None when disabled), and a sentence for the user where something was decided for them.
    """
    mode, note = choose_mode(config)
    if mode == "disabled":
        return None, note
    if mode == "offline":  # else W&B reports on itself to its server, and the process does not end until that answers
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    folder = directory.path / WANDB
    # W&B keeps caches and staging outside of `dir` unless told otherwise.
    for name in ("WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_CONFIG_DIR", "WANDB_ARTIFACT_DIR"):
        os.environ[name] = str(folder / name.split("_")[1].lower())
    import wandb

    with directory.writing(WANDB):
        folder.mkdir(exist_ok=True)
    passport = directory.passport()
    identity = {"id": secrets.token_hex(4)} | passport.get("wandb", {})
    identity |= {"project": config.tracker.project, "entity": config.tracker.entity}
    directory.write_passport(passport | {"wandb": identity})  # before W&B hears of it, so that a kill loses no id
    for online in (True, False) if mode == "online" else (False,):
        try:
            with children_are_spared():  # W&B's service is to see the end of the run
                begun = _begin(config, directory, identity["id"], seconds, online=online)
            directory.write_passport(passport | {"wandb": identity | {"entity": begun.entity}})
            return begun, note or (f"W&B: {begun.url}" if online else None)
        except RunFailed:
            raise
        except Exception as error:  # no trouble with W&B may end a run
            wandb.teardown()
            note = f"W&B: {one_line(error)}; the run goes on {'offline' if online else 'without it'}."
    return None, note


def _begin(config: Config, directory: RunDirectory, identifier: str, seconds: float, *, online: bool) -> WandbRun:
    import wandb

    folder = directory.path / WANDB
    # What W&B holds ready for uploads, tables of samples and lists of files: a later `wandb sync` needs the newest.
    staged = list((folder / "data" / "artifacts" / "staging").glob("*"))
    run = wandb.init(
        id=identifier,
        resume="allow" if online else None,
        project=config.tracker.project,
        entity=config.tracker.entity,
        group=config.tracker.group,
        name=config.name,
        job_type=config.label or config.method,
        tags=tags(config),
        config=asdict(config) | ({"lineage": fork} if (fork := directory.passport().get("fork")) else {}),
        dir=str(directory.path),
        mode="online" if online else "offline",
        settings=wandb.Settings(
            silent=True,
            console="off",
            init_timeout=config.tracker.connect_timeout if online else START_TIMEOUT,
            finish_timeout=FINISH_TIMEOUT,
        ),
    )
    define_metrics(run)
    begun = WandbRun(run, tags(config), online=online)
    begun.catch_up(directory, seconds)
    for path in staged:
        path.unlink(missing_ok=True)
    _supersede(folder, Path(run.dir).parent.name)
    return begun


def _supersede(folder: Path, current: str) -> None:
    """Put the folders of sessions before `current` where `wandb sync` does not look, since it holds all they held.

    The last ones put away before are deleted first, so a run that is resumed often does not fill the disk.
    """
    sessions = (path for path in folder.glob("*run-*") if path.is_dir() and not path.is_symlink())
    earlier = [path for path in sessions if path.name != current]
    if not earlier:
        return
    away = folder / SUPERSEDED
    shutil.rmtree(away, ignore_errors=True)
    away.mkdir()
    for path in earlier:
        path.rename(away / path.name)
