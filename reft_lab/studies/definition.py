"""What a study is, complete."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reft_lab.config.sweeps import PrunerConfig, SamplerConfig
from reft_lab.studies.objective import Objective
from reft_lab.studies.parameter import Parameter

# What every run of a study may have otherwise when the study goes on.
MAY_CHANGE = ("tracker", "checkpoint")


@dataclass(frozen=True)
class Definition:
    """One study.

    Attributes:
        name: what it is called, in storage and in W&B.
        folder: its folder, absolute.
        storage: "journal:///ABSOLUTE_FILE", or a URL for optuna.
        space: the options it varies.
        fixed: overrides that every run gets.
        needs: the command that makes what the runs take from others, with interpolations of a run; None: nothing.
        first: values to begin with, in order; keys are those of the space, and may be some of them only.
        objectives: what counts, one or several.
        trials: how many there are in the end; for a grid the number of its points.
        sampler: how values are chosen.
        pruner: which runs are stopped early.
        seeds: seeds of the runs of a trial; empty: one run with the experiment's own seed.
        workers: runs at the same time.
        gpus: GPUs that workers take in turn, as many at a time as a run has processes; None: leave
            CUDA_VISIBLE_DEVICES as it is.
        retries: how often a run that crashed is started again.
        max_failure_rate: share of failed trials above which the study ends.
        confirm: fresh seeds on which winner and first[0] are run after a search; 0: none.
        devices: processes of each run.
        flags: what Hydra itself needs on the command line of every run (--config-dir=, hydra.searchpath=).
    """

    name: str
    folder: Path
    storage: str
    space: tuple[Parameter, ...]
    fixed: tuple[str, ...]
    first: tuple[dict[str, Any], ...]
    objectives: tuple[Objective, ...]
    trials: int
    sampler: SamplerConfig
    pruner: PrunerConfig
    seeds: tuple[int, ...]
    workers: int
    gpus: tuple[int, ...] | None
    retries: int
    max_failure_rate: float
    confirm: int
    devices: int = 1
    flags: tuple[str, ...] = ()
    needs: str | None = None

    def identity(self) -> dict[str, Any]:
        """What must stay as it is when the study goes on, as JSON takes it."""
        kept = [word for word in self.fixed if word.partition("=")[0].partition(".")[0] not in MAY_CHANGE]
        return {
            "space": {parameter.key: str(parameter) for parameter in self.space},
            "fixed": {key: value for key, _, value in (word.partition("=") for word in sorted(kept))},
            "first": [dict(values) for values in self.first],
            "objectives": {objective.metric: objective.direction for objective in self.objectives},
            "seeds": list(self.seeds),
            "sampler": asdict(self.sampler),
            "pruner": asdict(self.pruner),
        }
