"""Optuna's samplers and pruners as a study asks for them, and whether they suit it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from reft_lab.errors import BadInput
from reft_lab.studies.definition import Definition

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

LEARNS_NUMBERS = {"gp": 1, "cmaes": 2}  # how many numeric options it needs
PACKAGES = {"cmaes": "cmaes", "gp": "torch", "qmc": "scipy"}
SEEDS = 100_003  # distance of two study seeds, so that no trial of one draws like a trial of the other


def check_sampler(definition: Definition) -> None:
    """Raises BadInput where the sampler or the pruner does not suit the space or the objectives."""
    name, several = definition.sampler.name, len(definition.objectives) > 1
    numbers = [parameter for parameter in definition.space if parameter.kind != "choice"]
    least = LEARNS_NUMBERS.get(name, 0)
    if len(numbers) < least:
        words = "at least one numeric option" if least == 1 else "at least two numeric options"
        raise BadInput(
            f"sweeps/sampler={name} needs {words} with a range, and the space has {len(numbers)}; take "
            "sweeps/sampler=tpe or grid."
        )
    if several and name == "cmaes":
        raise BadInput("sweeps/sampler=cmaes works with a single objective; take sweeps/sampler=tpe.")
    pruner = definition.pruner
    if several and pruner.name != "none":
        raise BadInput(
            f"sweeps/pruner={pruner.name} judges by a single objective, and there are {len(definition.objectives)}; "
            "take sweeps/pruner=none."
        )
    if pruner.max_resource is not None and (pruner.min_resource or 1) > pruner.max_resource:
        raise BadInput(
            f"sweeps.pruner.min_resource={pruner.min_resource} is more than sweeps.pruner.max_resource="
            f"{pruner.max_resource}; lower the one or raise the other."
        )
    package = PACKAGES.get(name)
    if package is not None and find_spec(package) is None:
        raise BadInput(f"sweeps/sampler={name} needs the package {package}: pip install {package}.")


def make_sampler(definition: Definition, trial: int) -> BaseSampler:
    """What draws the values of a trial; its draws depend on the study's seed and the number of the trial."""
    from optuna import samplers

    config = definition.sampler
    seed = config.seed * SEEDS + trial
    if config.name == "tpe":
        return samplers.TPESampler(
            seed=seed,
            n_startup_trials=config.startup_trials,
            n_ei_candidates=config.candidates,
            multivariate=config.multivariate,
            constant_liar=True,  # other trials may be running, in this sweep or in another
        )
    if config.name == "gp":
        return samplers.GPSampler(seed=seed, n_startup_trials=config.startup_trials)
    if config.name == "cmaes":
        return samplers.CmaEsSampler(
            seed=seed, n_startup_trials=config.startup_trials, sigma0=config.sigma, popsize=config.population
        )
    if config.name == "qmc":  # one sequence for all trials
        return samplers.QMCSampler(qmc_type=config.sequence, scramble=config.scramble, seed=config.seed)
    return samplers.RandomSampler(seed=seed)


def make_pruner(config: Mapping[str, Any]) -> BasePruner:
    """What decides whether a run is stopped.

    Args:
        config: fields of PrunerConfig, as the study stores them.
    """
    from optuna import pruners

    common = {"n_startup_trials": config["startup_trials"], "n_warmup_steps": config["warmup_steps"]}
    common |= {"interval_steps": config["interval_steps"], "n_min_trials": config["min_trials"]}
    if config["name"] == "median":
        return pruners.MedianPruner(**common)
    if config["name"] == "percentile":
        return pruners.PercentilePruner(config["percentile"], **common)
    if config["name"] == "hyperband":
        return pruners.HyperbandPruner(
            min_resource=config["min_resource"] or 1,
            max_resource=config["max_resource"] or "auto",
            reduction_factor=config["reduction_factor"],
        )
    if config["name"] == "successive_halving":
        return pruners.SuccessiveHalvingPruner(
            min_resource=config["min_resource"] or "auto", reduction_factor=config["reduction_factor"]
        )
    return pruners.NopPruner()
