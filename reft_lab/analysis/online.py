"""Runs that are in W&B, by its own client."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from reft_lab.analysis.found import Found, Line
from reft_lab.analysis.wandb_summary import metrics_of, result_of, state_of
from reft_lab.errors import BadInput
from reft_lab.run_dir.reading import Say
from reft_lab.text import flatten, one_line
from reft_lab.tracking.wandb_settings import is_logged_in, server_url

PREFIX = "wandb:"
TIMEOUT = 20  # seconds that the server may take for an answer
PAGE = 200  # runs in an answer


def read_online(source: str, say: Say) -> list[Found]:
    """The runs of a project.

    Args:
        source: `wandb:ENTITY/PROJECT`, or `wandb:ENTITY/PROJECT/GROUP` for those of a group (a study) only.
        say: told of histories that cannot be read.

    Raises:
        BadInput: nobody is logged in, the server does not answer, or the project is not there.
    """
    entity, project, group = _parts(source)
    with _quiet():
        if not is_logged_in():  # the client would stop and ask
            raise BadInput(
                f"{source} cannot be read: there is no login at W&B, or WANDB_MODE says offline; `wandb login` does it."
            )
        import wandb

        try:
            wanted = {"group": group} if group else None
            api = wandb.Api(timeout=TIMEOUT)
            runs = api.runs(f"{entity}/{project}", filters=wanted, per_page=PAGE, lazy=False)
            found = [(run, _config(runs.last_response, run.id)) for run in runs]
        except Exception as error:  # of many kinds, none of which is ours
            raise BadInput(f"{source} cannot be read: {_explained(error)}") from error
    return [_found(run, config, say) for run, config in found]


def _config(answer: Any, run: str) -> dict[str, Any]:
    """The config of a run in an answer of the server.

    `run.config` would take `model.value` for all of `model`: to W&B, a mapping with a key `value` is a wrapped value.
    """
    nodes = (edge["node"] for edge in answer["project"]["runs"]["edges"])
    wrapped = json.loads(next(node["config"] for node in nodes if node["name"] == run) or "{}")
    values = {key: each["value"] for key, each in wrapped.items() if isinstance(each, dict) and "value" in each}
    return {key: value for key, value in values.items() if key != "_wandb"}


def _found(run: Any, config: dict[str, Any], say: Say) -> Found:
    summary = run.summaryMetrics
    state, reason = state_of(run.state, summary)
    if run.group:  # also where it was changed in W&B
        config["tracker"] = {**_mapping(config.get("tracker")), "group": run.group}
    step = summary.get("_step")
    return Found(
        run=run.id,
        source="wandb",
        state=state,
        reason=reason,
        config=flatten(config),
        result=result_of(summary),
        started=_time(summary.get("started")) or _time(run.created_at),
        step=step if type(step) is int else None,
        seconds=summary.get("seconds"),
        history=partial(_history, run, say),
    )


def _history(run: Any, say: Say) -> Iterator[Line]:
    try:
        with _quiet():
            rows = list(run.scan_history())
    except Exception as error:
        say(f"the history of {run.id} cannot be read: {_explained(error)}")
        return
    for row in rows:
        yield metrics_of(row, row.get("_step", 0))


def _parts(source: str) -> tuple[str, str, str | None]:
    found = re.fullmatch(r"([^/\s]+)/([^/\s]+)(?:/(.+))?", source.removeprefix(PREFIX).strip("/"))
    if found is None:
        raise BadInput(
            f"{source} names no project of W&B; write {PREFIX}ENTITY/PROJECT, or {PREFIX}ENTITY/PROJECT/GROUP for a "
            "study."
        )
    return found[1], found[2], found[3]


def _explained(error: Exception) -> str:
    """What the client says, as one sentence."""
    text = one_line(error).rstrip(".")
    if text.startswith("Could not find project"):
        return "there is no such project, or it is not open to you."
    if "did not respond" in text or "timed out" in text.lower():
        return f"the server at {server_url()} does not answer."
    return f"{text}."


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside, W&B prints nothing, and the folder that its client makes for each run is one that goes again."""
    changed = {"WANDB_SILENT": "true"}
    with tempfile.TemporaryDirectory() as folder:
        changed["WANDB_DIR"] = folder
        before = {name: os.environ.get(name) for name in changed}
        os.environ.update(changed)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def _time(text: Any) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
