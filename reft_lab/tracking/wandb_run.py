"""The W&B side of a run. Its files stay inside the run directory, and no run ever waits for or fails with a server."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from reft_lab.config.schema import Config


def start(config: Config, directory: Path) -> tuple[Any, str | None]:
    """Begin a W&B run as config.tracker asks.

    Returns:
        The run (None when disabled), and a sentence for the user where something was decided for them.
    """
    mode, note = _choose_mode(config)
    if mode == "disabled":
        return None, note
    # W&B keeps caches and staging outside of `dir` unless told otherwise.
    for name in ("WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_CONFIG_DIR", "WANDB_ARTIFACT_DIR"):
        os.environ[name] = str(directory / "wandb" / name.split("_")[1].lower())
    import wandb

    def init(mode: Literal["online", "offline"]) -> Any:
        return wandb.init(
            project=config.tracker.project,
            entity=config.tracker.entity,
            group=config.tracker.group,
            name=config.name,
            job_type=config.method,
            tags=[config.method, config.model.name, config.data.name, config.cot.name, *config.tracker.tags],
            config=asdict(config),
            dir=str(directory),
            mode=mode,
            settings=wandb.Settings(silent=True, console="off", init_timeout=config.tracker.connect_timeout),
        )

    (directory / "wandb").mkdir(exist_ok=True)
    try:
        run = init("online" if mode == "online" else "offline")
    except wandb.errors.Error as error:
        if mode != "online":
            raise
        wandb.teardown()
        note = f"W&B: {_one_line(error)}; the run goes on offline."
        run = init("offline")
    run.define_metric("eval/accuracy", summary="max")
    run.define_metric("rollout/accuracy", summary="max")
    return run, note


def log(run: Any, metrics: Mapping[str, float], step: int) -> None:
    """Record metrics under their names at `step`."""
    run.log(dict(metrics), step=step)


def finish(run: Any, summary: Mapping[str, Any], exit_code: int) -> None:
    """Close the run; a second run of the same process would otherwise join it."""
    run.summary.update(dict(summary))
    run.finish(exit_code=exit_code)


def _choose_mode(config: Config) -> tuple[str, str | None]:
    """The mode that is possible: disabled, offline or online, and a sentence where it is not the one asked for."""
    mode = config.tracker.wandb
    if mode == "auto":
        mode = os.environ.get("WANDB_MODE", "online" if _logged_in() else "offline")
    if mode != "online":
        return mode, None
    import wandb

    if not _logged_in():  # W&B would stop and ask
        return "offline", "W&B: not logged in (`wandb login` does that); the run goes on offline."
    url = os.environ.get("WANDB_BASE_URL") or str(wandb.Settings().base_url)
    problem = _unreachable(url, config.tracker.connect_timeout)
    if problem:
        return "offline", f"W&B: {url} cannot be reached ({problem}); the run goes on offline."
    return mode, None


def _logged_in() -> bool:
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb

    return bool(wandb.login(prompt=False, verify=False))


def _unreachable(url: str, timeout: float) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=timeout):
            return None
    except urllib.error.HTTPError:
        return None  # it answered
    except (OSError, ValueError) as error:
        return _one_line(getattr(error, "reason", None) or error)


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:160]
