"""The three things that a command line may ask for: a run, several with -m, or a study with -m sweeps=NAME."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from shutil import which
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import configure_log, run_job
from hydra.types import HydraContext
from hydra.utils import instantiate
from omegaconf import DictConfig

from reft_lab.command.exits import exit_on_signals
from reft_lab.command.run_folder import remove_if_unused
from reft_lab.compose.composed import Composed
from reft_lab.compose.jobs import Jobs, compose_jobs
from reft_lab.config.check import check
from reft_lab.config.schema import Config
from reft_lab.config.wording import which_study
from reft_lab.errors import BadInput
from reft_lab.installed import command

# Runs a new experiment in a directory; what it returns is what a search maximises.
Run = Callable[[Config, Path], float]


class Work:
    """What a command line asks for, checked."""

    def __init__(self, composed: Composed):
        self.composed = composed

    def put_in(self, folder: str, word: str) -> None:
        """Use `folder` in place of the one that was composed; `word` is the override that says so."""
        hydra = self.composed.node.hydra
        (hydra.sweep if self.composed.is_multirun else hydra.run).dir = folder
        hydra.overrides.hydra.append(word)

    def check_machine(self) -> None:
        """See that this machine has what the work asks of it, before a folder is made.

        Raises:
            BadInput: it has not.
        """
        if self.composed.choice("hydra/launcher") == "submitit_slurm" and which("srun") is None:
            raise BadInput(
                "hydra/launcher=submitit_slurm needs Slurm, and there is no srun on this machine; give the command "
                "where there is one, or take hydra/launcher=submitit_local."
            )

    def do(self, run: Run) -> None:
        """Do it, each run by `run`."""
        raise NotImplementedError

    def _prepare(self, loader: Any) -> tuple[HydraContext, Any, dict[str, Any]]:
        """Hydra's logging as configured; what its plugins work with; its callbacks, and what all of them get."""
        node = self.composed.node
        configure_log(node.hydra.hydra_logging, node.hydra.verbose)
        callbacks: Any = Callbacks(node)
        return HydraContext(loader, callbacks), callbacks, {"config": node, "config_name": node.hydra.job.config_name}


def work_of(composed: Composed) -> Work:
    """What a command line asks for, every experiment that may come of it checked.

    Raises:
        BadInput: something in it cannot be.
    """
    if not composed.is_multirun:
        return SingleRun(composed)
    if composed.choice("hydra/sweeper") == "study":
        return Study(composed)
    return Multirun(composed)


class SingleRun(Work):
    """One run."""

    def __init__(self, composed: Composed):
        super().__init__(composed)
        if composed.has_study and not composed.flags.cfg:
            name = composed.choice("sweeps")
            raise BadInput(f"sweeps={name} is a study of many runs; add -m, as in {command()} -m sweeps={name}.")
        self.config = check_experiment(composed.node)

    def do(self, run: Run) -> None:
        """Run it as Hydra runs a job, with the same files in .hydra/ and the same callbacks.

        Raises:
            Exception: what the run raised, without the line that Hydra prints about it.
        """
        failures: list[Exception] = []

        def task(_: DictConfig) -> float:
            try:
                return _run_in_folder(run, self.config)
            except Exception as error:
                failures.append(error)
                raise

        context, callbacks, facts = self._prepare(self.composed.conf.loader)
        callbacks.on_run_start(**facts)
        ended = run_job(task, self.composed.node, "hydra.run.dir", None, context)
        callbacks.on_run_end(**facts, job_return=ended)
        for error in failures:
            raise error


class Multirun(Work):
    """Several runs, by Hydra's own sweeper or one that was installed."""

    def __init__(self, composed: Composed):
        super().__init__(composed)
        if composed.has_study:
            raise BadInput(
                "sweeps= has a sweeper of its own; leave hydra/sweeper= out, and in a file of sweeps/ end the defaults "
                "with `- override /hydra/sweeper@_global_.hydra.sweeper: study`."
            )
        self._jobs = Jobs(composed.conf)
        if composed.choice("hydra/sweeper") == "basic":  # what others try, only they know
            for node in compose_jobs(composed, self._jobs):
                check_one_of_many(node)

    def put_in(self, folder: str, word: str) -> None:
        super().put_in(folder, word)
        self._jobs.put_in(folder, word)

    def do(self, run: Run) -> None:
        """Run them all."""
        context, callbacks, facts = self._prepare(self._jobs)
        callbacks.on_multirun_start(**facts)
        node = self.composed.node
        sweeper = Plugins.instance().instantiate_sweeper(
            hydra_context=context, task_function=partial(job, run), config=node
        )
        try:
            sweeper.sweep(list(node.hydra.overrides.task))
        except Exception:  # a run that failed, after which Hydra did the others
            self._summarise()
            raise
        self._summarise()
        callbacks.on_multirun_end(**facts)

    def _summarise(self) -> None:
        from reft_lab.command.summary import summarise

        summarise(Path(str(self.composed.node.hydra.sweep.dir)), partial(print, flush=True))


class Study(Work):
    """A study, whose folder is always the one that was composed: it goes on there."""

    def __init__(self, composed: Composed):
        from reft_lab.studies.corners import check_corners
        from reft_lab.studies.from_config import from_config
        from reft_lab.studies.launching import check_jobs

        super().__init__(composed)
        if not composed.has_study:
            raise BadInput(which_study("hydra/sweeper=study"))
        self.definition = from_config(composed)
        check_jobs(composed.node, self.definition.devices)
        check_corners(self.definition, composed.conf, check_one_of_many)

    def check_machine(self) -> None:
        super().check_machine()
        gpus = self.definition.gpus
        if gpus is None or self.composed.choice("hydra/launcher") != "basic":  # jobs may run elsewhere
            return
        import torch

        if not torch.cuda.is_available():
            raise BadInput(
                f"sweeps.gpus=[{','.join(map(str, gpus))}] asks for GPUs, and PyTorch finds none on this machine; "
                "leave it out."
            )

    def do(self, run: Run) -> None:
        """Run it, or go on with it. Its trials are processes of their own, by Hydra's launcher if one is asked for."""
        from reft_lab.studies.study import run_study
        from reft_lab.tracking.recorders import check_installed
        from reft_lab.tracking.wandb_settings import check_environment, is_wanted

        node, launcher = self.composed.node, None
        check_installed(node.tracker)  # else each trial would say the same
        if is_wanted(str(node.tracker.wandb)):
            check_environment()
        context, callbacks, facts = self._prepare(self.composed.conf.loader)
        callbacks.on_multirun_start(**facts)
        if self.composed.choice("hydra/launcher") != "basic":
            launcher = Plugins.instance().instantiate_launcher(context, partial(job, run), node)
        run_study(self.definition, partial(print, flush=True), launcher)
        callbacks.on_multirun_end(**facts)


def job(run: Run, cfg: DictConfig) -> float:
    """A run of a multirun; in another process where a launcher has it there."""
    return _run_in_folder(run, _without_preflight(check(cfg)))


def check_experiment(node: DictConfig) -> Config:
    """The experiment in a composed config, its reward imported and tried, its outcome model and the run that it forks
    from there."""
    from reft_lab.evaluation import outcome_model
    from reft_lab.rewards import choose
    from reft_lab.run_dir.forked import check_fork

    config = check(node)
    check_fork(config)
    choose(config.reward)
    if config.decode.reranker is not None and config.decode.rerank:
        outcome_model.find(config.decode.reranker, outcome_model.OPTION)
    return config


def check_one_of_many(node: DictConfig) -> Config:
    """The same of a run of a multirun or study."""
    return _without_preflight(check_experiment(node))


def _without_preflight(config: Config) -> Config:
    if config.preflight:
        raise BadInput(
            "preflight=true looks at one run; leave out -m, lists of values and sweeps=, and name the options of "
            "one run."
        )
    return config


def _run_in_folder(run: Run, config: Config) -> float:
    """Run it in the folder that Hydra made, which is taken away again if the run never began."""
    directory = Path(HydraConfig.get().runtime.output_dir)
    exit_on_signals(lambda: remove_if_unused(directory))
    try:
        return run(config, directory)
    except BaseException:
        remove_if_unused(directory)
        raise


class Callbacks:
    """What hydra.callbacks names, called as Hydra calls it: what one of them raises is a warning."""

    def __init__(self, node: DictConfig):
        self._all = [instantiate(entry) for entry in (node.hydra.callbacks or {}).values()]

    def __getattr__(self, event: str) -> Callable[..., None]:
        if not event.startswith("on_"):
            raise AttributeError(event)
        return partial(self._call, event)

    def _call(self, event: str, **facts: Any) -> None:
        for callback in reversed(self._all) if event.endswith("_end") else self._all:
            try:
                getattr(callback, event)(**facts)
            except Exception as error:
                warnings.warn(f"{type(callback).__name__}.{event} of hydra.callbacks: {error}", stacklevel=2)
