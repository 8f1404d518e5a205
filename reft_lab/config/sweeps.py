"""A study, typed: filled in by sweeps/ and changed by `sweeps.OPTION=`; and what a run knows of its study."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Optional

from reft_lab.fields import STRICT, OneOf, doc

SAMPLERS = ("tpe", "gp", "cmaes", "qmc", "random", "grid")
PRUNERS = ("none", "median", "percentile", "hyperband", "successive_halving")


@dataclass
class SamplerConfig:
    """How the values of a trial are chosen: sweeps/sampler=NAME."""

    __pydantic_config__ = STRICT
    name: Annotated[str, doc("which sampler; grid: every point once"), OneOf(*SAMPLERS)] = "tpe"
    seed: Annotated[int, doc("seed of the draws; those of a trial are keyed by it and the trial's number", ge=0)] = 0
    startup_trials: Annotated[
        int, doc("tpe, gp, cmaes: trials drawn at random before the sampler learns from them", ge=0)
    ] = 10
    multivariate: Annotated[bool, doc("tpe: options are modelled together")] = True
    candidates: Annotated[int, doc("tpe: draws of which the most promising is taken", ge=1)] = 24
    sigma: Annotated[
        Optional[float], doc("cmaes: first standard deviation; null: a sixth of the smallest range", gt=0)
    ] = None
    population: Annotated[
        Optional[int], doc("cmaes: trials a generation; null: as many as its authors advise for the space", ge=2)
    ] = None
    sequence: Annotated[str, doc("qmc: the sequence"), OneOf("sobol", "halton")] = "sobol"
    scramble: Annotated[bool, doc("qmc: scramble the sequence by the seed")] = True


@dataclass
class PrunerConfig:
    """When a run that does worse than the others is stopped: sweeps/pruner=NAME."""

    __pydantic_config__ = STRICT
    name: Annotated[str, doc("which rule stops a run"), OneOf(*PRUNERS)] = "none"
    startup_trials: Annotated[
        int, doc("median, percentile: finished trials before the first is pruned", unit="trials", ge=0)
    ] = 5
    warmup_steps: Annotated[int, doc("median, percentile: no trial is pruned before this step", unit="steps", ge=0)] = 0
    interval_steps: Annotated[int, doc("median, percentile: steps between two checks", unit="steps", ge=1)] = 1
    min_trials: Annotated[
        int, doc("median, percentile: trials that must have reported at a step before one is pruned there", ge=1)
    ] = 1
    percentile: Annotated[
        float, doc("percentile: the share of trials that is kept at a step", unit="%", ge=0, le=100)
    ] = 25.0
    min_resource: Annotated[
        Optional[int],
        doc(
            "hyperband, successive_halving: first step at which a trial is judged; null: hyperband takes 1, "
            "successive_halving derives it from the first trials",
            unit="steps",
            ge=1,
        ),
    ] = None
    max_resource: Annotated[
        Optional[int],
        doc("hyperband: the last step of a trial; null: that of the first finished trial", unit="steps", ge=1),
    ] = None
    reduction_factor: Annotated[
        int, doc("hyperband, successive_halving: one in this many trials goes on after each judgement", ge=2)
    ] = 3


@dataclass
class SweepsConfig:
    """One study: what is searched, what counts, and how its trials are run."""

    __pydantic_config__ = STRICT
    name: Annotated[str, doc("what the study is called: its folder in multirun/, and its W&B group", min_length=1)] = (
        "study"
    )
    params: Annotated[
        dict[str, Any],
        doc(
            "the space: options or choices with interval(), range(), choice() or a mapping (low, high, log, step; "
            "choices; range); the command line takes precedence"
        ),
    ] = field(default_factory=dict)
    zip: Annotated[
        list[Any],  # lists of options, which zipped() sees to
        doc(
            "options of the space that are walked together, each group as one: the first value of one with the first "
            "of the others; they list as many values each"
        ),
    ] = field(default_factory=list)
    first: Annotated[
        list[dict[str, Any]], doc("settings to begin with, each a mapping of options of the space to values")
    ] = field(default_factory=list)
    fixed: Annotated[list[str], doc("overrides for every run, as OPTION=VALUE; the command line takes precedence")] = (
        field(default_factory=list)
    )
    needs: Annotated[
        Optional[str],
        doc(
            "the command that makes what every run takes from others, such as an outcome model: said where that is "
            "missing, with ${...} as the run has it"
        ),
    ] = None
    objective: Annotated[
        list[str],
        doc(
            "what is optimised: accuracy (of the chosen checkpoint, on the split that chose it), or a metric of "
            "docs/metrics.md, its last value; several make a Pareto set"
        ),
    ] = field(default_factory=lambda: ["accuracy"])
    direction: Annotated[
        list[str],
        doc("maximize or minimize, one for each objective; empty: the way that is better by docs/metrics.md"),
    ] = field(default_factory=list)
    trials: Annotated[
        Optional[int], doc("trials in the end; null: every point of a grid, 20 otherwise", unit="trials", ge=1)
    ] = None
    seeds: Annotated[
        list[int],
        doc("run each trial on these seeds and take the mean; empty: once, on the experiment's own seed"),
    ] = field(default_factory=list)
    workers: Annotated[int, doc("runs at the same time", unit="processes", ge=1)] = 1
    gpus: Annotated[
        Optional[list[int]],
        doc("GPUs that the workers take in turn, trainer.devices at a time; null: CUDA_VISIBLE_DEVICES as it is"),
    ] = None
    retries: Annotated[
        int, doc("how often a run that crashed is started again, from its checkpoint where it has one", ge=0)
    ] = 1
    max_failure_rate: Annotated[float, doc("the study ends when more than this share of trials failed", ge=0, le=1)] = (
        0.5
    )
    confirm: Annotated[
        int, doc("after a search, run the winner and the first setting on this many fresh seeds; 0: do not", ge=0)
    ] = 0
    storage: Annotated[
        Optional[str],
        doc("where the study is kept: sqlite:///FILE, postgresql://..., or null: a journal in the study folder"),
    ] = None
    sampler: Annotated[SamplerConfig, doc("how values are chosen")] = field(default_factory=SamplerConfig)
    pruner: Annotated[PrunerConfig, doc("which runs are stopped early")] = field(default_factory=PrunerConfig)


@dataclass
class StudyConfig:
    """What a run must know if it is a trial of a study; the sweep sets it."""

    __pydantic_config__ = STRICT
    storage: Annotated[Optional[str], doc("where the study is kept; null: the run is not a trial")] = None
    name: Annotated[Optional[str], doc("the study")] = None
    trial: Annotated[Optional[int], doc("the number of the trial", ge=0)] = None
    first_step: Annotated[
        int, doc("added to the step of each report: the seeds of a trial report one after the other", ge=0)
    ] = 0
    objective: Annotated[str, doc("what is reported at evaluations", min_length=1)] = "accuracy"
    confirms: Annotated[
        Optional[str],
        doc(
            "for a run that confirms a search on a fresh seed: the setting that it runs, `trial-NUMBER` or `first`; it "
            "is not a trial"
        ),
    ] = None


@dataclass
class StudySweeperConfig:
    """`hydra/sweeper=study`, which every file of sweeps/ takes. Its target is called by us, not by Hydra."""

    _target_: str = "reft_lab.studies.study.run_study"
    params: Optional[dict[str, str]] = None
