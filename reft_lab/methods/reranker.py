"""The outcome reward model of the paper (section 4, reranking): a classifier of whole responses as right or wrong.

It is trained on what the policy after warm-up answers to the training questions, and chooses among what that policy
answers to others. `decode=rerank` and `reward=outcome_model` take it from the run directory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reft_lab.errors import RunFailed
from reft_lab.evaluation.outcome_model import RERANKER
from reft_lab.methods.base import Lab, Method, StageKind
from reft_lab.methods.sft import WARMUP, warmed_up
from reft_lab.randomness import torch_seed

if TYPE_CHECKING:
    from reft_lab.data import Problem
    from reft_lab.methods.stages.reranking import Candidates
    from reft_lab.policy.model import Policy


def _train(lab: Lab) -> Policy:
    from reft_lab.methods.stages.reranking import Candidates, RerankerTraining, balanced, sampling_cost

    settings = lab.settings
    config = settings.reranker
    questions, _ = lab.questions()
    generator = warmed_up(lab, is_candidate=False)  # it chooses nothing
    if lab.is_spent and not lab.is_past(WARMUP):
        raise RunFailed("the budget was used up by the warm-up, so there is no reranker; resume with a larger one.")
    # A zero head would let no gradient through to the trunk at first.
    lab.policy.renew_value_head(torch_seed(settings.seed, "outcome head"))

    def sampled(problems: Sequence[Problem], count: int, title: str, *, is_training: bool) -> Candidates:
        samples = lab.pool(generator, problems, count, prompts=STAGE.prompts, title=title, is_training=is_training)
        return Candidates(lab.prompts(problems, STAGE.prompts), samples)

    graded = sampled(questions, config.samples, "samples", is_training=True)
    gold = dict(zip((q.id for q in questions), lab.gold(questions), strict=True)) if config.gold else None
    examples = balanced(questions, graded, seed=settings.seed, pairs=config.pairs, gold=gold)
    lab.note(f"the reranker is trained on {len(examples)} responses, half of them right, half of them wrong.")
    stage = RerankerTraining(
        lab.policy,
        examples,
        lambda problems: sampled(problems, config.k, "candidates", is_training=False),
        config,
        kind=STAGE,
        seed=settings.seed,
        tokens_per_micro_batch=lab.tokens_per_micro_batch,
        optimizer=lab.optimizer,
        sampling=sampling_cost(generator, graded),
    )
    for problems in lab.evaluated:
        stage.candidates_for(problems)  # before the bar of the stage is on the screen
    lab.train(stage)
    return generator


STAGE = StageKind(
    RERANKER,
    "reranker",
    unit="steps",
    prompts="rl",
    section="reranker",
    length="epochs",
    may_change=("epochs", "eval_every"),
    is_longer=lambda before, after: bool(after["epochs"] > before["epochs"]),
    why_fixed=lambda options: "",
    records=("reranker",),
)
RERANKING = Method(
    RERANKER,
    STAGE.label,
    (WARMUP, STAGE),
    _train,
    has_critic=lambda settings: True,
    answers="reranked",
)
