"""Optuna's samplers and pruners as a study asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reft_lab.studies.definition import Definition

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

SEEDS = 100_003  # apart, so that neighbouring seeds of a study share no trial's draws


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
            constant_liar=True,  # other trials may be running: of this sweep's workers, or of another sweep
        )
    if config.name == "gp":
        return samplers.GPSampler(seed=seed, n_startup_trials=config.startup_trials)
    if config.name == "cmaes":
        return samplers.CmaEsSampler(
            seed=seed, n_startup_trials=config.startup_trials, sigma0=config.sigma, popsize=config.population
        )
    if config.name == "qmc":  # one sequence, which all trials go through
        return samplers.QMCSampler(qmc_type=config.sequence, scramble=config.scramble, seed=config.seed)
    return samplers.RandomSampler(seed=seed)


def make_pruner(config: Mapping[str, Any]) -> BasePruner:
    """What decides whether a run is stopped.

    Args:
        config: fields of PrunerConfig, as a study keeps them.
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
