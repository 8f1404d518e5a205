"""What each method trains, stage by stage, from the start or from a state on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reft_lab.errors import BadInput, phase
from reft_lab.methods.reft import ReFT
from reft_lab.methods.settings import SFTConfig
from reft_lab.methods.sft import SFT
from reft_lab.policy import saving
from reft_lab.policy.model import Policy
from reft_lab.runner.checkpoint import BEST, WARMUP
from reft_lab.runner.failure import LOADING
from reft_lab.runner.progress import Best
from reft_lab.runner.setup import Setup
from reft_lab.runner.stages import Stages


def train(setup: Setup, stages: Stages, state: Path | None) -> Policy | None:
    """Train `setup.policy` by the configured method.

    Args:
        setup: what the stages work with.
        stages: what runs them.
        state: the full state to go on from, which `stages.progress` belongs to; None begins.

    Returns:
        The policy after warm-up, None for a method without one.
    """
    if setup.config.method == "reft":
        return _reft(setup, stages, state)
    _sft(setup, stages, state)
    return None


def _reft(setup: Setup, stages: Stages, state: Path | None) -> Policy:
    config, progress, checkpoints = setup.config, stages.progress, stages.loop.checkpoints
    problems, prompts = setup.questions()
    is_warm = progress.stage == "reft"
    if not is_warm:
        if config.warmup.epochs:
            warmup = _sft_stage(setup, "warmup", config.warmup)
            if state is not None:
                checkpoints.load(state, warmup)
            stages.supervise(warmup, picks_best=False)
        else:
            progress.latest = stages.evaluate(setup.policy, stages.selection, "sft").score
        progress.warmup = progress.latest
        progress.best = Best(progress.warmup, "warm-up", "sft")
        for name in (WARMUP, BEST):
            stages.export(name)
    with phase(LOADING):
        reference = setup.policy.reference()
        if is_warm:
            saving.load_weights(reference, checkpoints.warmup)
        if config.model.value == "separate":
            # Not before, so that it begins with what the warm-up has learned; a state of ReFT brings its own below.
            setup.policy.separate_values()

    def judge(questions: Any, responses: Any) -> Any:
        return setup.form.judge(
            [problems[q] for q in questions], setup.codec.read([prompts[q] for q in questions], responses)
        )

    stage = ReFT(
        setup.policy,
        reference,
        prompts,
        [problem.id for problem in problems],
        judge,
        setup.reward,
        config.ppo,
        seed=config.seed,
        eos_id=setup.codec.eos_id,
        pad_id=setup.codec.pad_id,
        decode_batch=config.trainer.decode_batch,
        tokens_per_micro_batch=config.trainer.tokens_per_micro_batch,
    )
    if is_warm and state is not None:
        checkpoints.load(state, stage)
    _check_not_beyond(stage, "ppo.iterations")
    stages.reinforce(stage, problems)
    stages.settle_best(f"iteration {stage.step}", "rl")
    return reference


def _sft(setup: Setup, stages: Stages, state: Path | None) -> None:
    stage = _sft_stage(setup, "sft", setup.config.sft)
    if state is not None:
        stages.loop.checkpoints.load(state, stage)
    _check_not_beyond(stage, "sft.epochs")
    stages.supervise(stage, picks_best=True)
    stages.settle_best(f"epoch {stage.epoch}" if stage.epoch else "the start", "sft")


def _check_not_beyond(stage: SFT | ReFT, option: str) -> None:
    if stage.step > stage.total_steps:
        raise BadInput(
            f"the run has done {stage.step} steps already, more than the {stage.total_steps} that it is to have now; "
            f"raise {option}."
        )


def _sft_stage(setup: Setup, name: str, config: SFTConfig) -> SFT:
    return SFT(
        setup.policy,
        setup.examples(config.max_tokens),
        config,
        stage=name,
        seed=setup.config.seed,
        pad_id=setup.codec.pad_id,
        tokens_per_micro_batch=setup.config.trainer.tokens_per_micro_batch,
    )
