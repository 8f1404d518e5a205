"""What is watched, as it is now, for programs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from reft_lab.analysis.found import FINISHED
from reft_lab.analysis.live import LiveRun
from reft_lab.analysis.live_study import LiveStudy, Row
from reft_lab.analysis.schema import row_of
from reft_lab.run_dir.progress import Doing
from reft_lab.text import from_here


def of_run(run: LiveRun) -> dict[str, Any]:
    """A run: what it does, its last numbers, outcomes and alarms, its result where there is one."""
    row = row_of(run.found)
    what = {key: row[key] for key in ("name", "method", "model", "data", "cot", "seed")}
    return {
        **_state(run),
        **what,
        "beside": _doing(run.beside),
        "metrics": {name: value for name, value in run.line.items() if name not in ("step", "seconds")},
        "outcomes": None if run.outcomes is None else asdict(run.outcomes),
        "alarms": {name: asdict(spell) for name, spell in sorted(run.alarms.items())},
        "machine": run.load,
        "result": dict(run.found.result) if run.found.state == FINISHED else None,
    }


def of_study(study: LiveStudy) -> dict[str, Any]:
    """A study, or a folder of runs: how far it is, the best, and its runs."""
    best = study.best
    return {
        "study": str(from_here(study.folder)),
        "is_over": study.is_over,
        "trials": len(study.states) or None,
        "ended": study.ended if study.states else None,
        "left": study.left,
        "objective": study.metric,
        "best": None if best is None else str(from_here(best.run.directory)),
        "machine": study.load,
        "runs": [_row(row) for row in study.rows.values()],
    }


def _row(row: Row) -> dict[str, Any]:
    return {**_state(row.run), "settings": list(row.settings), "value": row.value}


def _state(run: LiveRun) -> dict[str, Any]:
    return {
        "run": str(from_here(run.directory)),
        "state": run.found.state,
        "reason": run.found.reason,
        "is_over": run.is_over,
        "host": run.found.host,
        "step": run.found.step,
        "seconds": run.seconds,
        "doing": _doing(run.doing),
    }


def _doing(doing: Doing | None) -> dict[str, Any] | None:
    """As in progress.json, but that `left` is from now on."""
    if doing is None:
        return None
    return asdict(doing.at(datetime.now(UTC))) | {"time": doing.time.isoformat(timespec="milliseconds")}
