"""One run directory (docs/run-directory.md) as a run, whatever state it is in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from reft_lab.analysis.found import CRASHED, DAMAGED, RUNNING, STATUSES, Found, Line, place_of
from reft_lab.run_dir.files import BASELINE, CONFIG, METRICS, PASSPORT, PREDICTIONS, RESULT, SAMPLES, looks_like_a_run
from reft_lab.run_dir.lock import is_held
from reft_lab.run_dir.progress import read_doing
from reft_lab.run_dir.reading import Say, last_line, read_config, read_lines, read_object


def read_directory(directory: Path, run: str, say: Say) -> Found:
    """The run in `directory`.

    Args:
        directory: where it is.
        run: what it is to be called.
        say: told of damaged lines, when its history is read.
    """
    problems: list[str] = []
    result = read_object(directory / RESULT, problems.append)
    held = result is None and is_held(directory)
    # A process that has just begun has not written everything yet.
    missing = [] if held else problems
    config = read_config(directory, problems.append if os.path.lexists(directory / CONFIG) else missing.append)
    passport = read_object(directory / PASSPORT, problems.append, needed=not held) or {}
    last, problem = last_line(directory / METRICS)
    step = (last or {}).get("step")
    if problem and not (result is None and problem == "ends in a torn line"):
        missing.append(f"{METRICS} {problem}")
    state, reason = _state(result, held, problems)
    return Found(
        run=run,
        source="directory",
        state=state,
        reason=reason,
        config=config,
        result=result or {},
        started=_started(passport, problems),
        step=step if type(step) is int else None,
        seconds=(last or {}).get("seconds"),
        directory=directory,
        host=_host(passport),
        doing=None if result is not None else read_doing(directory),
        place=place_of(directory),
        history=partial(read_lines, directory / METRICS, say),
        samples=partial(read_lines, directory / SAMPLES, say),
        predictions=partial(_predictions, directory / PREDICTIONS, say),
    )


def baseline_of(directory: Path) -> Path | None:
    """The run directory of the SFT baseline inside a run directory, None where there is none."""
    baseline = directory / BASELINE
    try:
        return baseline if looks_like_a_run({entry.name for entry in baseline.iterdir()}) else None
    except OSError:
        return None


def _state(result: dict[str, Any] | None, held: bool, problems: list[str]) -> tuple[str, str | None]:
    """The state of a run, and the sentence on it."""
    status = None if result is None else result.get("status")
    if result is not None and status not in STATUSES:
        problems.append(f"{RESULT} names no status")
    if problems:
        return DAMAGED, f"{'; '.join(problems)}."
    if result is not None:
        reason = result.get("reason")
        return str(status), None if reason is None else str(reason)
    return (RUNNING, None) if held else (CRASHED, "It left no result, and no process works on it.")


def _started(passport: dict[str, Any], problems: list[str]) -> datetime | None:
    if not passport:
        return None
    try:
        started = datetime.fromisoformat(passport["started"])
        return (started if started.tzinfo else started.replace(tzinfo=UTC)).astimezone(UTC)
    except (KeyError, TypeError, ValueError, OverflowError):
        problems.append(f"{PASSPORT} names no time of start")
        return None


def _host(passport: dict[str, Any]) -> str | None:
    """That of the last session."""
    try:
        sessions = passport.get("resumed") or [passport["hardware"]]
        return str(sessions[-1]["host"])
    except (KeyError, TypeError, IndexError):
        return None


def _predictions(file: Path, say: Say) -> Iterator[Line]:
    """The predictions, with what the policy after warm-up did in columns of their own."""
    for line in read_lines(file, say):
        before = line.pop("warmup", None)
        before = before if isinstance(before, dict) else {}
        yield line | {f"warmup_{key}": before.get(key) for key in ("response", "answer", "outcome", "detail")}
