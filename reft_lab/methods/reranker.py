"""The outcome reward model of the paper (section 4, reranking): a classifier of whole responses as right or wrong.

It is trained on what the policy after warm-up answers to the training questions, and chooses among what that policy
answers to others. `decode=rerank` and `reward=outcome_model` take it from the run directory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reft_lab.evaluation.outcome_model import RERANKER
from reft_lab.methods.base import Lab, Method, StageKind
from reft_lab.methods.sft import WARMUP, supervised_stage
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
    if not lab.is_past(WARMUP):
        if settings.warmup.epochs:
            lab.train(supervised_stage(lab, WARMUP))
        lab.keep_warmup(is_candidate=False)  # it chooses nothing
    generator = lab.warmed_up()
    # A zero head would let no gradient through to the trunk at first.
    lab.policy.renew_value_head(torch_seed(settings.seed, "outcome head"))

    def sampled(problems: Sequence[Problem], count: int, title: str) -> Candidates:
        samples = lab.pool(generator, problems, count, prompts=STAGE.prompts, title=title)
        return Candidates(lab.prompts(problems, STAGE.prompts), samples)

    graded = sampled(questions, config.samples, "samples")
    examples = balanced(
        questions,
        graded,
        seed=settings.seed,
        pairs=config.pairs,
        gold=lab.gold_examples() if config.gold else None,
    )
    lab.note(f"the reranker is trained on {len(examples)} responses, half of them right, half of them wrong.")
    stage = RerankerTraining(
        lab.policy,
        examples,
        lambda problems: sampled(problems, config.k, "candidates"),
        config,
        kind=STAGE,
        seed=settings.seed,
        tokens_per_micro_batch=lab.tokens_per_micro_batch,
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
    answers="chosen by the reranker",
)
