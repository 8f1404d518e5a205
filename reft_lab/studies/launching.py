"""Runs through one of Hydra's launchers (joblib, submitit), which decides where the process of a run starts."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from reft_lab.compose.words import as_text
from reft_lab.studies.definition import Definition
from reft_lab.studies.process import Stop, execute
from reft_lab.studies.run_outcome import RunOutcome, read_outcome
from reft_lab.studies.trial_runs import Execute
from reft_lab.text import one_line

if TYPE_CHECKING:
    from hydra.plugins.launcher import Launcher


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


def _in_a_job(definition: Definition, _: DictConfig) -> RunOutcome:
    """In a job, on whatever machine: start the run as a process of its own, which can be gone on with."""
    hydra = HydraConfig.get()
    words = (*definition.flags, *hydra.overrides.task)
    return execute(Path(hydra.runtime.output_dir), words, definition, Stop(), is_spared=False)
