"""All recorders there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reft_lab.config.schema import Config
from reft_lab.run_dir.directory import RunDirectory
from reft_lab.tracking import tensorboard_run, trackio_run, wandb_run, wandb_settings
from reft_lab.tracking.recorder import Start

STARTS: dict[str, Callable[[Config, RunDirectory, float], Start]] = {
    "W&B": wandb_run.start,
    "Trackio": trackio_run.start,
    "TensorBoard": tensorboard_run.start,
}


def check_recorders(config: Config) -> None:
    """See that each recorder that is wanted is installed and accepts its settings; no server is asked.

    Raises:
        BadInput: one is not, or does not.
    """
    check_installed(config.tracker)
    wandb_settings.check_settings(config)


def check_installed(tracker: Any) -> None:
    """See that what a tracker section asks for is installed.

    Raises:
        BadInput: something is not.
    """
    trackio_run.check(wanted=bool(tracker.trackio))
    tensorboard_run.check(wanted=bool(tracker.tensorboard))
