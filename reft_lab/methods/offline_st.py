"""Offline self-training (paper, section 4.2): the base model is trained on the gold reasoning and on what the policy
after warm-up gets right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reft_lab.methods.base import Lab, Method
from reft_lab.methods.sft import WARMUP, supervised, supervised_stage, warmed_up

if TYPE_CHECKING:
    from reft_lab.policy.model import Policy


def _train(lab: Lab) -> Policy:
    from reft_lab.methods.stages.self_training import Gathered, gather
    from reft_lab.policy.parked import Parked

    config = lab.settings.offline_st
    problems, gold = lab.solved(config.max_tokens)
    reference = warmed_up(lab)
    if lab.is_spent and not lab.is_past(WARMUP):
        gathered = Gathered([])  # nothing more is trained, so there is nothing to sample for
    else:
        samples = lab.pool(reference, problems, config.samples, prompts="sft", title="samples")
        gathered = gather(
            reference,
            problems,
            gold,
            samples,
            config,
            seed=lab.settings.seed,
            read=lab.codec.read,
            form=lab.normal_form,
        )
        lab.note(gathered.sentence)
    kept = Parked(reference, is_wanted=lab.park_reference)
    if not lab.is_past(WARMUP):
        lab.start_over()
    lab.train(supervised_stage(lab, STAGE, [*gold, *gathered.examples], gathered.opening))
    return kept.fetch()


STAGE = supervised("offline_st", "Offline-ST", "pool")
OFFLINE_ST = Method("offline_st", STAGE.label, (WARMUP, STAGE), _train, has_critic=lambda settings: False)
