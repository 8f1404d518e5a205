"""The baseline of a run, trained beside it in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from reft_lab.config.running import BudgetConfig
from reft_lab.config.schema import Config
from reft_lab.config.sweeps import StudyConfig
from reft_lab.errors import BadInput, Interrupted, RunFailed
from reft_lab.evaluation.settings import DecodeConfig
from reft_lab.methods import METHODS
from reft_lab.numbers import duration
from reft_lab.run_dir.files import BASELINE, CONFIG, RESULT
from reft_lab.run_dir.progress import Doing, read_doing
from reft_lab.run_dir.reading import is_finished, read_object
from reft_lab.signals import children_are_spared
from reft_lab.tracking.display import LOOK, Display

Work = Callable[[Config, Path], object]


class Baseline:
    """The same experiment by the method that config.baseline names, in `baseline_sft/` of the run directory.

    It starts from the same weights and trains on the same questions, with the settings of its own stages. One that was
    stopped goes on from its own checkpoint, one that is finished is left alone.
    """

    def __init__(self, config: Config, run_directory: Path, work: Work):
        """`work` begins or goes on with a run; it is called in the other process, so it is a function of a module."""
        assert config.baseline is not None
        self.method = METHODS[config.baseline]
        self.directory = run_directory / BASELINE
        self.config = replace(
            config,
            name=f"{config.name}-baseline-{config.baseline}",
            method=config.baseline,
            label=None,
            baseline=None,
            fork=None,
            trainer=replace(config.trainer, devices=1),
            decode=DecodeConfig(),
            tracker=config.tracker.directory_alone(),
            study=StudyConfig(),
        )
        self._work = work
        self._process: BaseProcess | None = None

    def start(self) -> None:
        """Begin training, or go on with it, unless it is done."""
        if self._is_done():
            return
        (self.directory / RESULT).unlink(missing_ok=True)  # of an earlier session
        self._process = multiprocessing.get_context("spawn").Process(
            target=_train, args=(self._work, self.config, self.directory), daemon=True
        )
        with children_are_spared(signal.SIGINT):  # these reach the whole group; the run stops its baseline itself
            self._process.start()

    def doing(self) -> Doing | None:
        """What it is doing; None where it does not say, as before it begins and once it is done."""
        return read_doing(self.directory)

    def is_over(self, seconds: float = 0.0) -> bool:
        """Whether its process has ended, for which this waits so long."""
        if self._process is not None:
            self._process.join(seconds)
        return self._process is None or not self._process.is_alive()

    def wait(self) -> dict[str, Any]:
        """Its result.json, once it is done; `status` says whether it went well."""
        code = None
        if self._process is not None:
            self._process.join()
            code = self._process.exitcode
        ended = {"status": "failed", "reason": f"the baseline's process ended with code {code}"}
        return read_object(self.directory / RESULT) or ended

    def stop(self) -> None:
        """End it, finished or not; it saves its state first."""
        if self._process is not None and self._process.is_alive():
            self._process.terminate()
            self._process.join()

    def _is_done(self) -> bool:
        if not is_finished(self.directory):
            return False
        from omegaconf import OmegaConf

        last, trained, wanted = self.method.last, OmegaConf.load(self.directory / CONFIG), asdict(self.config)
        is_longer = last.is_longer(OmegaConf.select(trained, last.section), wanted[last.section])
        return not is_longer and not BudgetConfig.is_raised(OmegaConf.select(trained, "budget"), wanted["budget"])


def follow(baseline: Baseline, display: Display) -> None:
    """Say that the run waits for its baseline, and show how far that is until its process has ended."""
    if baseline.is_over():
        return
    before, name, doing = time.monotonic(), f"the {baseline.method.label} baseline", baseline.doing()
    display.note(f"waiting for {name}" + (f": {doing}" if doing else ""))
    while not baseline.is_over(LOOK):
        doing = baseline.doing()
        if doing is None:
            continue
        title = doing.title
        with display.stage(f"waiting: {title}", doing.total, doing.unit, done=doing.done) as bar:
            while doing is not None and doing.title == title:
                bar.update(doing.done, **doing.numbers)
                doing = None if baseline.is_over(LOOK) else baseline.doing()
    display.note(f"waited {duration(time.monotonic() - before)} for {name}")


def _train(work: Work, config: Config, directory: Path) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        work(config, directory)
    except (BadInput, RunFailed, Interrupted):
        raise SystemExit(1) from None  # result.json says why


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
