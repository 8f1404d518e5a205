"""Reinforced fine-tuning: a warm-up on gold reasoning, then reinforcement by PPO (paper, section 3, algorithm 1).

What is learned from is a matter of switches: `ppo.credit` and the other settings of the second stage.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from reft_lab.equations.credit import CREDITS
from reft_lab.errors import LOADING, phase
from reft_lab.methods.base import Lab, Method, Options, StageKind
from reft_lab.methods.sft import WARMUP, warmed_up
from reft_lab.rewards import scoring

if TYPE_CHECKING:
    from reft_lab.policy.model import Policy


def _train(lab: Lab) -> Policy:
    from reft_lab.methods.stages.reinforcement import Reinforcement
    from reft_lab.methods.stages.samples import sample_records

    settings = lab.settings
    problems, prompts = lab.questions()
    reference = warmed_up(lab)
    if settings.model.value == "separate" and lab.policy.value_head is not None:
        with phase(LOADING):
            # Not before, so that it begins with what the warm-up has learned; a later state brings its own.
            lab.policy.separate_values()
    lab.train(
        Reinforcement(
            lab.policy,
            reference,
            prompts,
            [problem.id for problem in problems],
            lab.judge(problems, prompts),
            scoring(lab.reward, problems, prompts, lab.codec.read),
            settings.ppo,
            kind=STAGE,
            seed=settings.seed,
            eos_id=lab.codec.end_ids,
            pad_id=lab.codec.pad_id,
            decode_batch=lab.decode_batch,
            tokens_per_micro_batch=lab.tokens_per_micro_batch,
            audit=settings.audit,
            records=partial(sample_records, problems=problems, codec=lab.codec, count=lab.samples),
        )
    )
    return reference


def is_longer(before: Options, after: Options) -> bool:
    """Whether options of a stage of iterations give it more to do after a change."""
    if before["iterations"] is None and after["iterations"] is None:
        return bool(after["data_epochs"] > before["data_epochs"])
    # How many iterations `data_epochs` comes to depends on the data, so the run finds out itself.
    return None in (before["iterations"], after["iterations"]) or after["iterations"] > before["iterations"]


STAGE = StageKind(
    "reft",
    "ReFT",
    unit="iterations",
    prompts="rl",
    section="ppo",
    length="iterations",
    may_change=("iterations", "data_epochs", "eval_every", "eval_every_epochs"),
    is_longer=is_longer,
    why_fixed=lambda options: "",
    records=("rollout", "ppo", "position", "critic", "alarm"),
    has_alarms=True,
)
REFT = Method(
    "reft",
    STAGE.label,
    (WARMUP, STAGE),
    _train,
    has_critic=lambda settings: CREDITS[settings.ppo.credit].needs_critic,
)
