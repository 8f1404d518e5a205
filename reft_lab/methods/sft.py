"""Supervised fine-tuning: a method by itself, and the warm-up of others (paper, section 3.1)."""

from __future__ import annotations

from reft_lab.methods.base import Lab, Method, Options, Stage, StageKind


def _supervised(name: str, label: str) -> StageKind:
    """A kind of supervised stage, whose settings are the SFTConfig in the section of its name."""
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
        records=(name,),
    )


def _why_fixed(options: Options) -> str:
    flexible = options["schedule"] == "constant" and options["lr_warmup_fraction"] == 0
    if options["schedule_epochs"] is None and not flexible:
        return f"the learning rate is laid out for {options['epochs']} epochs"
    return ""


def supervised_stage(lab: Lab, kind: StageKind) -> Stage:
    """The stage on the gold reasoning of the training problems.

    Raises:
        BadInput: none of them fits.
    """
    from reft_lab.methods.stages.supervised import SupervisedFineTuning

    config = getattr(lab.settings, kind.section)
    return SupervisedFineTuning(
        lab.policy,
        lab.examples(config.max_tokens),
        config,
        kind=kind,
        seed=lab.settings.seed,
        pad_id=lab.codec.pad_id,
        tokens_per_micro_batch=lab.tokens_per_micro_batch,
    )


def _train(lab: Lab) -> None:
    lab.train(supervised_stage(lab, STAGE))


WARMUP = _supervised("warmup", "warm-up")
STAGE = _supervised("sft", "SFT")
SFT = Method("sft", STAGE.label, (STAGE,), _train, has_critic=lambda settings: False, is_baseline=True)
