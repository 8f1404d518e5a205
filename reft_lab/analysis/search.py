"""A study by its trials: what it varied, by what it was judged, what came of each; and how much each option matters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from reft_lab.run_dir.reading import read_object

FILE = "study.json"
GRID = "grid"
TOGETHER = " & "  # between the options of a dimension that are walked together, and between their values
MAXIMIZE = "maximize"
ENOUGH = 5  # finished trials that say something about what matters


@dataclass(frozen=True)
class Dimension:
    """One option of the space, or several that are walked together.

    Attributes:
        key: its name; those of options that are walked together, with TOGETHER between them.
        low, high: the ends of a range, included; None for listed values.
        log: whether it is searched in the logarithm.
        whole: whether its values are whole numbers.
        choices: listed values.
    """

    key: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    whole: bool = False
    choices: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Trial:
    """What came of one trial.

    Attributes:
        number: which one.
        state: finished, failed, pruned, running or waiting.
        params: its values by the key of their dimension; empty before it began.
        values: of the objectives, means over its seeds; empty where it did not finish.
    """

    number: int
    state: str
    params: Mapping[str, Any]
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Search:
    """A study, as study.json holds it.

    Attributes:
        name: of the study.
        sampler: what chose the values.
        objectives: metric and direction of each.
        space: what is varied.
        trials: all of them, by number.
    """

    name: str
    sampler: str
    objectives: tuple[tuple[str, str], ...]
    space: tuple[Dimension, ...]
    trials: tuple[Trial, ...]

    @property
    def is_grid(self) -> bool:
        """Whether it takes every point once, rather than search."""
        return self.sampler == GRID

    @cached_property
    def finished(self) -> list[Trial]:
        """Its finished trials, by number."""
        return [trial for trial in self.trials if len(trial.values) == len(self.objectives)]

    @cached_property
    def best(self) -> list[Trial]:
        """The finished trials than which none is better: those with the best value, or the Pareto set."""
        scores = [(trial, self._score(trial)) for trial in self.finished]
        return [trial for trial, own in scores if not any(_dominates(other, own) for _, other in scores)]

    @property
    def ranked(self) -> list[Trial]:
        """Finished trials with the best first, by the first objective where there are several; then the others."""
        best = {trial.number for trial in self.best}

        def place(trial: Trial) -> tuple[bool, tuple[float, ...], int]:
            return trial.number not in best, tuple(-score for score in self._score(trial)), trial.number

        others = [trial for trial in self.trials if len(trial.values) != len(self.objectives)]
        return [*sorted(self.finished, key=place), *others]

    def _score(self, trial: Trial) -> tuple[float, ...]:
        """Its values, turned so that more is better."""
        pairs = zip(trial.values, self.objectives, strict=True)
        return tuple(value if direction == MAXIMIZE else -value for value, (_, direction) in pairs)

    def as_json(self) -> dict[str, Any]:
        """The form the file holds."""
        return asdict(self)


def read_search(folder: Path) -> Search | None:
    """What study.json in a folder says; None where it is not there or not as it should be."""
    found = read_object(folder / FILE)
    try:
        if not found:
            return None
        return Search(
            str(found["name"]),
            str(found["sampler"]),
            tuple((str(metric), str(direction)) for metric, direction in found["objectives"]),
            tuple(Dimension(**{**each, "choices": tuple(each["choices"])}) for each in found["space"]),
            tuple(Trial(**{**each, "values": tuple(map(float, each["values"]))}) for each in found["trials"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def importances(search: Search, objective: int = 0) -> dict[str, float]:
    """How much of the spread of an objective each dimension explains, as shares with the sum 1, the largest first.

    By fANOVA (Hutter et al., 2014) as Optuna has it: a forest is fitted to the finished trials, and the variance of
    what it says over the space is divided among the dimensions. Empty where there are fewer than ENOUGH finished
    trials, or they do not differ in the objective.

    Args:
        search: the study.
        objective: which of its objectives.
    """
    done = [trial for trial in search.finished if all(each.key in trial.params for each in search.space)]
    values = [trial.values[objective] for trial in done]
    if len(done) < ENOUGH or not all(map(math.isfinite, values)) or len(set(values)) == 1:
        return {}
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study()
        space = {each.key: _distribution(each) for each in search.space}
        for trial, value in zip(done, values, strict=True):
            params = {key: trial.params[key] for key in space}
            study.add_trial(optuna.create_trial(params=params, distributions=space, value=value))
        found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    finally:
        optuna.logging.set_verbosity(level)
    return {key: float(share) for key, share in found.items()}


def unvaried(search: Search) -> list[str]:
    """The dimensions that have one value in all finished trials."""
    done = search.finished
    return [each.key for each in search.space if len({str(trial.params.get(each.key)) for trial in done}) == 1]


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether it is at least as good in everything, and better in something."""
    return all(a >= b for a, b in zip(one, other, strict=True)) and tuple(one) != tuple(other)


def _distribution(dimension: Dimension) -> Any:
    from optuna import distributions

    if dimension.low is None or dimension.high is None:
        return distributions.CategoricalDistribution(dimension.choices)
    if dimension.whole:
        return distributions.IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return distributions.FloatDistribution(dimension.low, dimension.high, log=dimension.log)
