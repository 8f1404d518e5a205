"""What a study optimises: names and directions that make sense for its runs."""

from __future__ import annotations

from dataclasses import dataclass

from reft_lab.config.sweeps import SweepsConfig
from reft_lab.errors import BadInput
from reft_lab.methods import METHODS, RECORDS
from reft_lab.metrics import DOWN, UP, find, recorded
from reft_lab.text import did_you_mean

ACCURACY, NEVER = "accuracy", "eval/test_accuracy"
DIRECTIONS = {UP: "maximize", DOWN: "minimize"}


@dataclass(frozen=True)
class Objective:
    """What counts.

    Attributes:
        metric: "accuracy" (what a run returns: that of its chosen checkpoint on the selection split), or a name in
            metrics.jsonl, such as "ppo/kl_ref" or "rollout/length" (the value at the last step that has it).
        direction: "maximize" or "minimize".
    """

    metric: str
    direction: str


def objectives(sweeps: SweepsConfig, method: str, *, critic: bool) -> tuple[Objective, ...]:
    """The objectives of a study whose runs are of `method`, with a value model if `critic`.

    Raises:
        BadInput: a name is no metric, a run has no value of it, or it is not clear which way is better.
    """
    metrics, directions = sweeps.objective, sweeps.direction
    if not metrics:
        raise BadInput("sweeps.objective is empty; give at least one, as in sweeps.objective=[accuracy].")
    if len(set(metrics)) < len(metrics):
        raise BadInput("sweeps.objective names a metric twice; name each once.")
    for metric in metrics:
        _check_metric(metric, method, critic)
    if not directions:
        return tuple(Objective(metric, _better(metric)) for metric in metrics)
    if len(directions) != len(metrics):
        raise BadInput(
            f"sweeps.objective has {len(metrics)} and sweeps.direction {len(directions)} entries; "
            "give one direction for each objective."
        )
    for direction in directions:
        if direction not in DIRECTIONS.values():
            raise BadInput(f"sweeps.direction has {direction}; it takes maximize and minimize.")
    return tuple(Objective(metric, direction) for metric, direction in zip(metrics, directions, strict=True))


def _better(metric: str) -> str:
    better = UP if metric == ACCURACY else find(metric).better
    if better is None:
        raise BadInput(
            f"sweeps.objective has {metric}, which is not better one way or the other; say which is meant, in "
            "sweeps.direction."
        )
    return DIRECTIONS[better]


def _check_metric(name: str, method: str, critic: bool) -> None:
    if name == NEVER:
        raise BadInput(
            f"sweeps.objective has {name}, and nothing may choose by test; take accuracy, which is that on `selection`."
        )
    known = [ACCURACY, *recorded(RECORDS, switches=None)]
    if name not in known:
        guess = did_you_mean(name, known) or "; it is accuracy or one of docs/metrics.md."
        raise BadInput(f"sweeps.objective has {name}, which is no metric{guess}")
    if name not in (ACCURACY, *recorded(METHODS[method].records, critic=critic, switches=None)):
        if name in recorded(METHODS[method].records, switches=None):
            raise BadInput(f"sweeps.objective has {name}, and these runs have no value model; take another.")
        raise BadInput(f"sweeps.objective has {name}, which a run of method={method} does not record; take another.")
