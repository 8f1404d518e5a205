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

if TYPE_CHECKING:
    from reft_lab.policy.model import Policy


def _train(lab: Lab) -> Policy:
    from reft_lab.methods.stages.reinforcement import Reinforcement
    from reft_lab.methods.stages.samples import sample_records

    settings = lab.settings
    problems, prompts = lab.questions()
    reference = warmed_up(lab)
    reference.shorten()
    if settings.model.value == "separate" and lab.policy.value_head is not None:
        with phase(LOADING):
            # Not before, so that it begins with what the warm-up has learned; a later state brings its own.
            lab.policy.separate_values()
    stage = Reinforcement(
        lab.policy,
        reference,
        lab.asking(problems, prompts),
        kind=STAGE,
        tokens_per_micro_batch=lab.tokens_per_micro_batch,
        optimizer=lab.optimizer,
        park_reference=lab.park_reference,
        audit=settings.audit,
        records=partial(sample_records, problems=problems, codec=lab.codec, count=lab.samples),
    )
    lab.train(stage)
    return stage.parked.fetch()


def iterated(name: str, label: str, section: str, *records: str, has_alarms: bool = False) -> StageKind:
    """A kind of stage that samples and learns in turn, whose settings in `section` are an IterationsConfig.

    It records the metrics of what was sampled, and those of the sections in `records`.
    """
    return StageKind(
        name,
        label,
        unit="iterations",
        prompts="rl",
        section=section,
        length="iterations",
        may_change=("iterations", "data_epochs", "eval_every", "eval_every_epochs"),
        is_longer=_is_longer,
        why_fixed=lambda options: "",
        records=("rollout", *records),
        has_alarms=has_alarms,
    )


def _is_longer(before: Options, after: Options) -> bool:
    if before["iterations"] is None and after["iterations"] is None:
        return bool(after["data_epochs"] > before["data_epochs"])
    # How many iterations `data_epochs` comes to depends on the data, so the run finds out itself.
    return None in (before["iterations"], after["iterations"]) or after["iterations"] > before["iterations"]


STAGE = iterated("reft", "ReFT", "ppo", "ppo", "position", "critic", "alarm", has_alarms=True)
REFT = Method(
    "reft",
    STAGE.label,
    (WARMUP, STAGE),
    _train,
    has_critic=lambda settings: CREDITS[settings.ppo.credit].needs_critic,
)
