"""W&B's own files of runs, read without W&B's server by its own command, `wandb leet inspect --json`."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from reft_lab.analysis.found import CRASHED, DAMAGED, RUNNING, Found, Line
from reft_lab.analysis.place import Place, place_of
from reft_lab.analysis.wandb_summary import metrics_of, result_of, state_of
from reft_lab.run_dir.files import WANDB
from reft_lab.run_dir.lock import is_held
from reft_lab.run_dir.reading import Say, whole_line
from reft_lab.text import flatten

SKIPPED = b"skipped corrupt data"  # what the command says of damage


def read_offline(files: Iterable[Path], say: Say) -> list[Found]:
    """The runs in files of W&B's, one for each run.

    Args:
        files: `run-ID.wandb`, in any folders.
        say: told of damage, when a history is read.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # half a second each, for the start of the command
        return list(pool.map(partial(_run_in, say=say), _newest_sessions(files)))


def _newest_sessions(files: Iterable[Path]) -> list[Path]:
    """One file for each run. A resumed run has one for each session, of which the newest holds all steps.

    Args:
        files: `.wandb` files; their folders are named for the time at which they began.
    """
    newest: dict[str, Path] = {}
    for file in files:
        before = newest.get(file.name)
        if before is None or before.parent.name.split("run-")[-1] < file.parent.name.split("run-")[-1]:
            newest[file.name] = file
    return list(newest.values())


def _run_in(file: Path, say: Say) -> Found:
    problems: list[str] = []
    content: dict[str, dict[str, Any]] = {"run": {}, "config": {}, "summary": {}, "exit": {}}
    for kind, record in _records(file, lambda problem: problems.append(f"{file.name} {problem}")):
        if kind == "run":
            content["run"] = record
            record = record.get("config", {})
            kind = "config"
        if kind in content:
            content[kind] |= _finite(record.get("update", record))
    config, summary = content["config"], content["summary"]
    config.pop("_wandb", None)
    home = file.absolute().parents[2]  # RUN_DIRECTORY/wandb/offline-run-TIME-ID/run-ID.wandb
    is_inside = file.absolute().parents[1].name == WANDB
    if problems:
        told: tuple[str, str | None] = DAMAGED, f"{'; '.join(problems)}."
    elif content["exit"]:
        told = state_of("failed" if content["exit"].get("exit_code") else "finished", summary)
    elif is_inside and is_held(home):
        told = RUNNING, None
    else:
        told = CRASHED, "W&B's file has no end, and no process works on it."
    step = summary.get("_step")
    return Found(
        run=content["run"].get("run_id") or file.stem.removeprefix("run-"),
        source="offline",
        state=told[0],
        reason=told[1],
        config=flatten(config),
        result=result_of(summary),
        started=_time(content["run"].get("start_time")),
        step=step if type(step) is int else None,
        seconds=summary.get("seconds"),
        directory=file.parent,
        place=place_of(home) if is_inside else Place(),
        history=partial(_history, file, say),
    )


def _history(file: Path, say: Say) -> Iterator[Line]:
    for kind, record in _records(file, lambda problem: say(f"{file} {problem}")):
        if kind == "history":
            yield metrics_of(_finite(record["item"]), record["step"]["num"])


def _records(file: Path, say: Say) -> Iterator[tuple[str, dict[str, Any]]]:
    """The records of a file with their kinds, as far as it goes.

    A process that is writing, or that was killed, leaves a last record that is not whole; it is passed over.
    """
    ended = subprocess.run(
        [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file.absolute())],
        env=os.environ | {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    if not file.stat().st_size:
        say("is empty")
    elif ended.returncode:
        say("is not a file of W&B's")
    elif SKIPPED in ended.stderr:
        say("has damaged records")
    for line in ended.stdout.splitlines(keepends=True):
        record = whole_line(line) or {}
        if isinstance(found := record.get(kind := str(record.get("type"))), dict):
            yield kind, found


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in values.items() if not (isinstance(value, float) and not math.isfinite(value))
    }


def _time(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
