"""W&B's own files of runs, read without W&B's server."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from reft_lab.analysis.found import CRASHED, DAMAGED, RUNNING, Found, Line, Place
from reft_lab.analysis.place import place_of
from reft_lab.analysis.reading import Say
from reft_lab.analysis.schema import flatten
from reft_lab.analysis.wandb_records import read_records
from reft_lab.analysis.wandb_summary import metrics_of, result_of, state_of
from reft_lab.run_dir.lock import is_held


def newest_sessions(files: Iterable[Path]) -> list[Path]:
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


def read_offline(file: Path, say: Say) -> Found:
    """The run in a file of W&B's.

    Args:
        file: `run-ID.wandb`.
        say: told of damaged records, when its history is read.
    """
    problems: list[str] = []
    content = _read(file, lambda problem: problems.append(f"{file.name} {problem}"))
    home = file.absolute().parents[2]  # RUN_DIRECTORY/wandb/offline-run-TIME-ID/run-ID.wandb
    is_inside = file.absolute().parents[1].name == "wandb"
    summary = content.summary
    state, reason = _state(content, problems, held=is_inside and is_held(home))
    step = summary.get("_step")
    return Found(
        run=content.id or file.stem.removeprefix("run-"),
        source="offline",
        state=state,
        reason=reason,
        config=flatten(content.config),
        result=result_of(summary),
        started=content.started,
        step=step if type(step) is int else None,
        seconds=summary.get("seconds"),
        directory=file.parent,
        place=place_of(home) if is_inside else Place(),
        history=partial(_history, file, say),
    )


@dataclass
class _Content:
    """What a file says of its run, but for the history."""

    id: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    started: datetime | None = None
    exit_code: int | None = None


def _state(content: _Content, problems: list[str], *, held: bool) -> tuple[str, str | None]:
    if problems:
        return DAMAGED, f"{'; '.join(problems)}."
    if content.exit_code is not None:
        return state_of("failed" if content.exit_code else "finished", content.summary)
    return (RUNNING, None) if held else (CRASHED, "W&B's file has no end, and no process works on it.")


def _read(file: Path, say: Say) -> _Content:
    content = _Content()
    summary: dict[str, str] = {}
    for record in read_records(file, say):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
            content.id = run.run_id
            content.config |= _values({item.key: item.value_json for item in run.config.update})
            content.started = _time(run.start_time.seconds, run.start_time.nanos)
        elif kind == "config":
            content.config |= _values({item.key: item.value_json for item in record.config.update if item.key})
        elif kind == "summary":
            summary |= {_name(item): item.value_json for item in record.summary.update}
            for item in record.summary.remove:
                summary.pop(_name(item), None)
        elif kind == "exit":
            content.exit_code = record.exit.exit_code
    content.config.pop("_wandb", None)
    content.summary = _values(summary)
    return content


def _history(file: Path, say: Say) -> Iterator[Line]:
    for record in read_records(file, lambda problem: say(f"{file} {problem}")):
        if record.WhichOneof("record_type") == "history":
            row = _values({_name(item): item.value_json for item in record.history.item})
            yield metrics_of(row, record.history.step.num)


def _time(seconds: int, nanoseconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds + nanoseconds / 1e9, UTC) if seconds else None
    except (OverflowError, ValueError, OSError):
        return None


def _name(item: Any) -> str:
    """The name of a value; nested ones are rare, and none of ours."""
    return ".".join(item.nested_key) or str(item.key)


def _values(texts: Mapping[str, str]) -> dict[str, Any]:
    """Values from their JSON; without those that are none, or not finite."""
    values = {}
    for name, text in texts.items():
        try:
            value = json.loads(text)
        except ValueError:
            continue
        if not (isinstance(value, float) and not math.isfinite(value)):
            values[name] = value
    return values
