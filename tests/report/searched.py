"""Folders of studies with made results: searches whose trials and runs are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna

from reft_lab.report import study_report
from reft_lab.studies.definition import Definition
from reft_lab.studies.objective import Objective
from reft_lab.studies.parameter import Parameter
from reft_lab.studies.results import write_table
from tests.report.written import write_run
from tests.studies.stand_in import definition_in

SPACE = (
    Parameter("ppo.lam", "float", 0.9, 1.0),
    Parameter("ppo.gamma", "float", 0.95, 1.0),
    Parameter("ppo.kl_coef", "float", 1e-5, 1.0, log=True),
    Parameter("warmup.epochs", "int", 1, 40, log=True),
    Parameter("ppo.rollouts", "choice", choices=(32, 64, 128)),
    Parameter("ppo.whiten", "choice", choices=(True, False)),
)
Accuracy = Callable[[dict[str, Any]], float]


def hill(values: dict[str, Any]) -> float:
    """An accuracy that hangs on the KL coefficient most, and on lambda a little."""
    return 0.62 - 0.05 * abs(math.log10(values["ppo.kl_coef"]) + 2) - abs(values["ppo.lam"] - 0.95)


def make_search(
    folder: Path,
    accuracy: Accuracy = hill,
    *,
    trials: int = 14,
    space: Sequence[Parameter] = SPACE,
    seeds: Sequence[int] = (0,),
    trouble: bool = True,
    second: bool = False,
) -> Path:
    """The page of a search in `folder`, drawn at random.

    Args:
        folder: its parent.
        accuracy: of a setting; it is rounded to half a per cent, as 200 problems round it.
        trials: how many there are.
        space: what is searched.
        seeds: of each trial.
        trouble: whether trial 3 failed and trial 5 was pruned.
        second: whether the KL divergence is an objective too.
    """
    definition = replace(definition_in(folder), space=tuple(space), trials=trials, first=())
    if second:
        definition = replace(definition, objectives=(*definition.objectives, Objective("ppo/kl_ref", "minimize")))
    directions = [objective.direction for objective in definition.objectives]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=directions, sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(lambda trial: _one(trial, definition, accuracy, seeds, trouble), trials, catch=(ArithmeticError,))
    write_table(study.trials, definition)
    return study_report(definition.folder)


def _one(
    trial: optuna.Trial, definition: Definition, accuracy: Accuracy, seeds: Sequence[int], trouble: bool
) -> list[float]:
    values = {parameter.key: parameter.suggest(trial) for parameter in definition.space}
    words = [word for parameter in definition.space for word in parameter.overrides(values[parameter.key])]
    folder = definition.folder / str(trial.number)
    status = {3: "failed", 5: "pruned"}.get(trial.number) if trouble else None
    score = round(200 * accuracy(values)) / 200
    for seed in seeds:
        place = folder / f"seed-{seed}" if len(seeds) > 1 else folder
        right = [n < round(200 * score) for n in range(200)]
        more = {"status": status, "reason": "It ran out of memory.", "final": None, "warmup": None, "outcomes": None}
        write_run(place, *words, f"seed={seed}", accuracy=score, right=right, **(more if status else {}))
    if status == "failed":
        raise ArithmeticError
    if status == "pruned":
        raise optuna.TrialPruned
    return [score, abs(math.log10(values["ppo.kl_coef"]))][: len(definition.objectives)]
