"""One place that a stage reports to; run directory, W&B and others get the same numbers under the same names."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reft_lab.config.schema import Config
from reft_lab.run_dir.directory import RunDirectory
from reft_lab.text import one_line
from reft_lab.tracking.display import Display
from reft_lab.tracking.machine import Machine
from reft_lab.tracking.recorder import Recorder
from reft_lab.tracking.recorders import STARTS


class Tracker:
    """Records metrics and samples on one step axis that never goes backwards.

    `step` is the last one recorded; warm-up steps come first, ReFT iterations go on from there.
    """

    def __init__(
        self,
        config: Config,
        directory: RunDirectory,
        display: Display,
        *,
        step: int = 0,
        seconds: float = 0.0,
        device: str = "cpu",
    ):
        """Begin to record after `step`, to which the directory of a resumed run is rewound.

        `seconds` is what the stopwatch of the run showed then; `device` is what it computes on.
        """
        self.directory = directory
        self.display = display
        self.step = step
        self._started = time.monotonic() - seconds
        self._machine = Machine(device)
        self._recorders: dict[str, Recorder] = {}
        for name, start in STARTS.items():
            recorder, note = start(config, directory, seconds)
            if recorder is not None:
                self._recorders[name] = recorder
            if note:
                display.note(note)

    @property
    def elapsed(self) -> float:
        """Seconds that the run has been recording, over all its sessions."""
        return time.monotonic() - self._started

    def log(self, step: int, metrics: Mapping[str, float], samples: Sequence[Mapping[str, Any]] = ()) -> None:
        """Record `metrics`, but for numbers that are not finite, and records of responses sampled at `step`; the load
        of the machine goes with them.

        Raises:
            ValueError: a step at or before the last one.
            RunFailed: the disk refused.
        """
        if step <= self.step:
            raise ValueError(f"step {step} after step {self.step}: the step axis never goes backwards")
        finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
        record = {"seconds": round(self.elapsed, 3)} | finite | self._machine.look()
        records = [{"step": step, **sample} for sample in samples]
        self.directory.append_samples(records)
        self.directory.append_metrics({"step": step} | record)
        self.step = step
        for name, recorder in list(self._recorders.items()):
            with self._may_fail(name):
                recorder.log(step, record, records)

    def finish(self, summary: Mapping[str, Any], exit_code: int, checkpoint: Path | None = None) -> None:
        """Close all recorders, as their `finish` does; once. The directory stays open for what is written last."""
        for name, recorder in list(self._recorders.items()):
            with self._may_fail(name):
                if note := recorder.finish(summary, exit_code, checkpoint):
                    self.display.note(note)
        self._recorders.clear()

    @contextmanager
    def _may_fail(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # no trouble with it may end a run
            self._recorders.pop(name, None)
            self.display.note(f"{name} stopped ({one_line(error)}); metrics.jsonl has everything.")
