"""Supervised fine-tuning: a method by itself, and the warm-up of others (paper, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reft_lab.methods.base import Lab, Method, Options, Stage, StageKind, Step

if TYPE_CHECKING:
    from reft_lab.methods.stages.supervised import Example
    from reft_lab.policy.model import Policy


def supervised(name: str, label: str, *records: str) -> StageKind:
    """A kind of supervised stage, whose settings are the SFTConfig in the section of its name.

    It records the metrics of supervised stages, and those of the sections in `records`.
    """
    return StageKind(
        name,
        label,
        unit="steps",
        prompts="sft",
        section=name,
        length="epochs",
        may_change=("epochs", "eval_every"),
        is_longer=lambda before, after: bool(after["epochs"] > before["epochs"]),
        why_fixed=_why_fixed,
        records=(name, *records),
    )


def _why_fixed(options: Options) -> str:
    flexible = options["schedule"] == "constant" and options["lr_warmup_fraction"] == 0
    if options["schedule_epochs"] is None and not flexible:
        return f"the learning rate is laid out for {options['epochs']} epochs"
    return ""


def supervised_stage(
    lab: Lab, kind: StageKind, examples: Sequence[Example] | None = None, opening: Step | None = None
) -> Stage:
    """A supervised stage.

    Args:
        kind: which, with its settings in the section of its name.
        examples: what is trained on; None: the gold reasoning of the training problems.
        opening: what came before, and is recorded with the first step.

    Raises:
        BadInput: no example fits.
    """
    from reft_lab.methods.stages.supervised import SupervisedFineTuning

    config = getattr(lab.settings, kind.section)
    return SupervisedFineTuning(
        lab.policy,
        lab.examples(config.max_tokens) if examples is None else examples,
        config,
        kind=kind,
        seed=lab.settings.seed,
        pad_id=lab.codec.pad_id,
        tokens_per_micro_batch=lab.tokens_per_micro_batch,
        optimizer=lab.optimizer,
        opening=opening,
    )


def warmed_up(lab: Lab, *, is_candidate: bool = True) -> Policy:
    """Train the warm-up, unless the run is past it; returns a frozen copy of the policy after it.

    `is_candidate` says whether that may be the final policy.
    """
    if not lab.is_past(WARMUP):
        if lab.settings.warmup.epochs:
            lab.train(supervised_stage(lab, WARMUP))
        lab.keep_warmup(is_candidate=is_candidate)
    return lab.warmed_up()


def _train(lab: Lab) -> None:
    lab.train(supervised_stage(lab, STAGE))


WARMUP = supervised("warmup", "warm-up")
STAGE = supervised("sft", "SFT")
SFT = Method("sft", STAGE.label, (STAGE,), _train, has_critic=lambda settings: False, is_baseline=True)
