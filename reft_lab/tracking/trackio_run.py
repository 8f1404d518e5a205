"""The Trackio side of a run: a database on this machine that all runs share, without an account.

A session of a run that is resumed writes it anew there, all earlier steps included: what a kill lost is there, and
steps after the state that the run went on from are not there twice.
"""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from reft_lab.config.schema import Config
from reft_lab.errors import BadInput, RunFailed
from reft_lab.run_dir.directory import RunDirectory
from reft_lab.text import one_line
from reft_lab.tracking.recorder import COLUMNS, SAMPLES, Start, need, options, recorded, rows, split

ELSEWHERE = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL")  # would have Trackio send what is recorded, and wait for it


class TrackioRun:
    """A run under way."""

    def __init__(self, run: Any):
        self._run = run
        self._step = 0

    def log(self, step: int, record: Mapping[str, Any], samples: Sequence[Mapping[str, Any]] = ()) -> None:
        """Record numbers under their names at `step`, with a table of samples."""
        import trackio

        self._step, row = step, dict(record)
        if samples:
            row[SAMPLES] = trackio.Table(columns=list(COLUMNS), data=rows(samples))
        self._run.log(row, step=step)

    def finish(self, summary: Mapping[str, Any], exit_code: int, checkpoint: Path | None = None) -> None:
        """Close the run, with the numbers of the summary as metrics of the last step, and its words as a table."""
        import trackio

        numbers, words = split(summary)
        table = trackio.Table(columns=["", "result"], data=[list(each) for each in words.items()])
        self._run.log({**numbers, "result": table}, step=self._step)
        with redirect_stdout(io.StringIO()):
            trackio.finish()


def check(*, wanted: bool) -> None:
    """See that what is wanted is there, and local.

    Raises:
        BadInput: it is not.
    """
    if not wanted:
        return
    need("trackio", "trackio")
    for name in ELSEWHERE:
        if os.environ.get(name):
            raise BadInput(
                f"{name} is set, and a run would wait for what is there; unset it, since tracker.trackio=true records "
                "on this machine alone (`trackio sync` sends it later)."
            )


def start(config: Config, directory: RunDirectory, seconds: float) -> Start:
    """Begin the run in Trackio, or anew as it is in the run directory, as `Start` says."""
    if not config.tracker.trackio:
        return None, None
    passport = directory.passport()
    name, project = f"{config.name}-{secrets.token_hex(4)}", config.tracker.project
    before = passport.get("trackio")
    identity = {"name": before["name"] if before else name, "project": project}
    directory.write_passport(passport | {"trackio": identity})  # before Trackio hears of it, so that a kill loses none
    try:
        with redirect_stdout(io.StringIO()):  # it says where it is and what it began
            import trackio

            if before:
                _forget(trackio, **before)
            run = trackio.init(
                project=project,
                name=identity["name"],
                group=config.tracker.group,
                config=options(config, directory),
                embed=False,
            )
        begun = TrackioRun(run)
        for step, record, samples in recorded(directory):
            begun.log(step, record, samples)
    except RunFailed:
        raise
    except Exception as error:  # no trouble with it may end a run
        return None, f"Trackio: {one_line(error)}; the run goes on without it."
    return begun, f"Trackio: {identity['name']}; trackio show --project {project}"


def _forget(trackio: Any, name: str, project: str) -> None:
    """Take an earlier session of a run out of a project."""
    try:
        runs = list(trackio.Api().runs(project))
    except ValueError:  # there is no such project any more
        return
    for run in runs:
        if run.name == name:
            run.delete()
