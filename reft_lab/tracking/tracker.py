"""One place that a stage reports to; the run directory and W&B get the same numbers under the same names."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

from reft_lab.config.schema import Config
from reft_lab.tracking import wandb_run
from reft_lab.tracking.display import Display
from reft_lab.tracking.run_directory import RunDirectory


class Tracker:
    """Records metrics and samples on one step axis that never goes backwards.

    Attributes:
        step: the last step recorded; warm-up steps come first, ReFT iterations go on from there.
        directory: the run directory.
        display: the terminal.
    """

    def __init__(self, config: Config, directory: RunDirectory, display: Display):
        self.directory = directory
        self.display = display
        self.step = 0
        self.started = time.monotonic()
        self._wandb, note = wandb_run.start(config, directory.path)
        if note:
            display.note(note)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record `metrics` at `step`.

        Raises:
            ValueError: a step at or before the last one.
        """
        if step <= self.step:
            raise ValueError(f"step {step} after step {self.step}: the step axis never goes backwards")
        self.step = step
        finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
        self.directory.append_metrics({"step": step, "seconds": round(time.monotonic() - self.started, 3)} | finite)
        if self._wandb is not None:
            wandb_run.log(self._wandb, finite, step)

    def samples(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Record sampled responses."""
        self.directory.append_samples(records)

    def finish(self, summary: Mapping[str, Any], exit_code: int) -> None:
        """Close everything; once."""
        self.directory.close()
        if self._wandb is not None:
            wandb_run.finish(self._wandb, summary, exit_code)
            self._wandb = None
