"""Stages whose weights are in parts on several ranks, made of those that tests make for one process."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from reft_lab.methods.stages.optimizer import Optimizer
from reft_lab.methods.stages.reinforcement import Reinforcement
from reft_lab.methods.stages.reranking import RerankerTraining
from reft_lab.policy.parked import Parked
from reft_lab.policy.sharding import gathered
from reft_lab.ranks import Ranks
from tests.methods import test_reranker


def part(stage: Any, ranks: Ranks, *, separate: bool = False, kind: str = "adamw") -> Any:
    """Let ranks have parts of the weights of a stage that was made alone, and of the moments of its optimiser.

    Of reinforcement that has not begun the reference is made anew, and then the value model of its own, as in a run.
    """
    policy = stage.policy
    policy.ranks = ranks
    if ranks.size > 1:
        policy.shard()
    if isinstance(stage, Reinforcement):
        stage.reference = policy.reference()
        stage.parked = Parked(stage.reference, is_wanted=False)
    if separate:
        policy.separate_values()
        stage.rescore = True
    second = policy.value_parameters() if isinstance(stage, Reinforcement) else []
    parameters = [*policy.trained_parameters(), *second]
    if isinstance(stage, RerankerTraining):
        parameters += policy.value_head.parameters()
    config = test_reranker.CONFIG if isinstance(stage, RerankerTraining) else stage.config
    stage.optimizer = Optimizer(policy, parameters, config, stage.optimizer.schedule, second=second, kind=kind)
    return stage


def whole(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as wholes on every rank."""
    return {name: gathered(tensor).detach().clone() for name, tensor in tensors.items()}
