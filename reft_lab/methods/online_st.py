"""Online self-training (paper, section 4.2): after a warm-up, the policy is trained, batch by batch, on what it gets
right itself, together with the gold reasoning."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from reft_lab.errors import BadInput
from reft_lab.methods.base import Lab, Method
from reft_lab.methods.reft import iterated
from reft_lab.methods.sft import WARMUP, warmed_up

if TYPE_CHECKING:
    from reft_lab.data import Problem
    from reft_lab.policy.model import Policy


def _train(lab: Lab) -> Policy:
    from reft_lab.methods.stages.online import OnlineSelfTraining
    from reft_lab.methods.stages.samples import response_records
    from reft_lab.policy.parked import Parked

    problems, prompts, gold = _questions(lab)
    kept = Parked(warmed_up(lab), is_wanted=lab.park_reference)
    lab.train(
        OnlineSelfTraining(
            lab.policy,
            lab.asking(problems, prompts),
            gold,
            lab.settings.online_st,
            kind=STAGE,
            tokens_per_micro_batch=lab.tokens_per_micro_batch,
            optimizer=lab.optimizer,
            records=partial(response_records, problems=problems, codec=lab.codec, count=lab.samples),
        )
    )
    return kept.fetch()


def _questions(lab: Lab) -> tuple[list[Problem], list[list[int]], list[list[int]]]:
    """The training problems that fit with their gold reasoning, their prompts and that reasoning as ids."""
    problems, prompts = lab.questions()
    gold, room = lab.gold(problems), lab.policy.positions
    fits = [i for i in range(len(problems)) if room is None or len(prompts[i]) + len(gold[i]) <= room]
    if not fits:
        raise BadInput(f"no training question fits into the model's {room} positions with its gold reasoning.")
    if left_out := len(problems) - len(fits):
        lab.note(f"left out {left_out} training questions that do not fit with their gold reasoning.")
    return [problems[i] for i in fits], [prompts[i] for i in fits], [gold[i] for i in fits]


STAGE = iterated("online_st", "Online-ST", "online_st", "online")
ONLINE_ST = Method("online_st", STAGE.label, (WARMUP, STAGE), _train, has_critic=lambda settings: False)
