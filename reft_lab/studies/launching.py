"""Runs through one of Hydra's launchers (joblib, submitit), which decides where the process of a run starts.

A scheduler may take a job's machine away, and warns it by a signal. What handles that in the job (submitit's
`checkpoint()`, which has the job queued again) would leave the run where its last checkpoint stands, so the run is told
first, and saves its state. The job that is queued again finds its run directory, and goes on as `resume=` does.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from reft_lab.compose.words import as_text
from reft_lab.errors import BadInput
from reft_lab.studies.definition import Definition
from reft_lab.studies.process import Stop, execute
from reft_lab.studies.run_outcome import HELD, RunOutcome, read_outcome
from reft_lab.studies.trial_runs import Execute
from reft_lab.text import one_line

if TYPE_CHECKING:
    from hydra.plugins.launcher import Launcher

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
DELAY = 30.0  # seconds from such a signal to the end of the job, where the launcher does not say
REQUEUEING = 30.0  # seconds of them in which a job is queued again


def by_launcher(launcher: Launcher, definition: Definition, stop: Stop) -> Execute:
    """A worker that does each run as a job of `launcher`."""
    launcher.task_function = partial(_in_a_job, definition)  # type: ignore[attr-defined]

    def launch(directory: Path, words: tuple[str, ...]) -> RunOutcome:
        inside = directory.relative_to(definition.folder)
        job = [word for word in words if not word.startswith("--")]  # the launcher knows what flags say
        # A job is composed without the study, so it has to be told where its run belongs.
        place = [f"hydra.sweep.dir={as_text(str(definition.folder))}", f"hydra.sweep.subdir={as_text(str(inside))}"]
        number = next((int(part) for part in inside.parts if part.isdigit()), 0)
        try:
            (returned,) = launcher.launch([[*job, *place]], number)
            outcome: RunOutcome = returned.return_value
        except Exception as error:  # of the launcher, a job that died, or what Hydra makes of it
            outcome = read_outcome(directory, definition.objectives)
            if outcome.status != "finished":
                outcome = RunOutcome("crashed", f"its job ended with {type(error).__name__}: {one_line(error)}")
        return RunOutcome("interrupted") if stop.event.is_set() and outcome.status != "finished" else outcome

    return launch


def check_jobs(node: DictConfig, devices: int) -> None:
    """Refuse jobs of more than one machine, and those with too few GPUs: a run starts its processes itself, on the
    machine that it has.

    Args:
        node: a composed config with Hydra's node, which has a launcher.
        devices: processes of each run.

    Raises:
        BadInput: with the option to change.
    """
    for key in ("nodes", "tasks_per_node"):
        if OmegaConf.select(node, f"hydra.launcher.{key}", default=1) != 1:
            raise BadInput(
                f"hydra.launcher.{key}={node.hydra.launcher[key]} is not possible: each job of a study is one run on "
                "one machine, whose processes the run starts itself; leave it out."
            )
    gpus = OmegaConf.select(node, "hydra.launcher.gpus_per_node")
    if gpus is not None and 0 < gpus < devices:
        raise BadInput(
            f"hydra.launcher.gpus_per_node={gpus} is too few for trainer.devices={devices}, each of which takes a GPU "
            f"of its own; ask for {devices}."
        )


class Preemption:
    """The signals by which a scheduler says that it will end a job, as far as something in the job handles them.

    While this is entered they stop the run instead; `answer` then does what was to be done on them.
    """

    def __init__(self, stop: Stop, seconds: float):
        """`stop` ends the run: in good order at the first signal, and at once where that takes more than `seconds`."""
        self._stop, self._seconds = stop, seconds
        self._heard: list[int] = []
        self._before: dict[int, Callable[[int, FrameType | None], Any]] = {}

    def __enter__(self) -> Preemption:
        if threading.current_thread() is threading.main_thread():  # only there may one say what happens on a signal
            for number in SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler):
                    self._before[number] = handler
                    signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def is_handled(self) -> bool:
        """Whether something in the job handles any of them, so that the run need not hear them itself."""
        return bool(self._before)

    def answer(self) -> None:
        """Let those handle the signals that came who would have; does nothing where none came.

        They end the job, or raise an error. Where they all return, the job ends here without a result: a scheduler that
        queues it again finds it as it was, and otherwise it has crashed for the study, which tries again.
        """
        for number in self._heard:
            self._before[number](number, None)
        if self._heard:
            sys.exit(128 + self._heard[0])

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._heard.append(number)
        if len(self._heard) == 1:
            self._stop.ask(number)
            impatience = threading.Timer(self._seconds, self._stop.ask, (number,))
            impatience.daemon = True
            impatience.start()


def _in_a_job(definition: Definition, _: DictConfig) -> RunOutcome:
    """In a job, on whatever machine: start the run as a process of its own, which can be gone on with."""
    hydra, stop = HydraConfig.get(), Stop()
    words = (*definition.flags, *hydra.overrides.task)
    delay = float(OmegaConf.select(hydra.launcher, "signal_delay_s", default=DELAY))
    with Preemption(stop, max(delay / 2, delay - REQUEUEING)) as preemption:
        outcome = execute(Path(hydra.runtime.output_dir), words, definition, stop, is_spared=preemption.is_handled)
    if outcome.status in ("interrupted", HELD):
        preemption.answer()
    return outcome
