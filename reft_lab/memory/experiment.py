"""From an experiment to what its memory depends on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reft_lab.config.schema import Config
from reft_lab.memory.setting import Setting
from reft_lab.memory.shape import Kept, Shape
from reft_lab.memory.work import Lengths, Work
from reft_lab.methods import METHODS
from reft_lab.methods.base import StageKind
from reft_lab.methods.settings import IterationsConfig, OnlineSTConfig, PPOConfig

if TYPE_CHECKING:
    from reft_lab.policy.model import Policy


def works(config: Config, lengths: Lengths, positions: int | None) -> list[Work]:
    """What the stages of an experiment put through the model.

    Args:
        lengths: tokens of the prompt and the gold reasoning of each training problem.
        positions: of the model; None: no limit.
    """
    kinds = METHODS[config.method].stages_of(config)
    return [_work(config, kind, lengths, positions) for kind in kinds]


def _work(config: Config, kind: StageKind, lengths: Lengths, positions: int | None) -> Work:
    section, ppo = getattr(config, kind.section), config.ppo
    takes_turns = isinstance(section, IterationsConfig)
    if takes_turns:
        samples, batch = section.rollouts, section.mini_batch
        if isinstance(section, OnlineSTConfig):  # gold reasoning of each question comes to it
            batch += section.mini_batch // section.samples_per_problem
    else:
        samples, batch = getattr(section, "samples", 0) * len(lengths), getattr(section, "batch_size", 1)
    if samples or not kind.is_trained:  # the policy writes what is read
        room = ppo.total_tokens or ppo.max_prompt_tokens + ppo.max_new_tokens
        asked = [(prompt, min(gold, ppo.max_new_tokens)) for prompt, gold in lengths if prompt <= ppo.max_prompt_tokens]
        asked = asked or [(ppo.max_prompt_tokens, ppo.max_new_tokens)]
        prompt = max(prompt for prompt, _ in asked)
        longest = prompt, min(ppo.max_new_tokens, room - prompt)
    else:
        asked = [(prompt, min(gold, section.max_tokens - prompt)) for prompt, gold in lengths]
        asked = [(prompt, gold) for prompt, gold in asked if gold > 0] or [(section.max_tokens - 1, 1)]
        longest = max(asked, key=sum)
    return Work(
        stage=kind.label,
        is_trained=kind.is_trained,
        samples=samples,
        takes_turns=takes_turns,
        scores=isinstance(section, PPOConfig),
        batch=batch,
        longest=longest,
        lengths=asked,
        width=positions,
    )


def setting(config: Config, policy: Policy, device: str, lengths: Lengths, evaluated: int) -> Setting:
    """What memory depends on beside the data; a few tokens go through the policy, which stays as it is.

    Args:
        config: the experiment.
        policy: of the run, before any training.
        device: where it computes.
        lengths: as for `works`.
        evaluated: problems of an evaluation.
    """
    from reft_lab.policy.sampling.llama import serves

    shape = Shape.of(policy.lm)
    share = sum(response for _, response in lengths) / sum(map(sum, lengths))
    guess = supposed(config, shape, device, policy.precision, evaluated)
    found = replace(guess, is_packed=policy.is_packed, is_lean=serves(policy))
    if config.model.gradient_checkpointing:  # which shows of a layer no more than its input
        return found
    kept = Kept.by(policy, share)
    return replace(found, kept=kept, kept_in_training=kept.in_training(policy, share))


def supposed(config: Config, shape: Shape, device: str, precision: str, evaluated: int) -> Setting:
    """The same for a model that cannot be tried: as if it were a Llama."""
    kept = Kept.supposed(shape, precision)
    return Setting(
        **_of_method(config),
        shape=shape,
        kept=kept,
        kept_in_training=kept,
        device=device,
        precision=precision,
        optimizer=config.trainer.optimizer,
        parks=config.trainer.park_reference and device == "cuda" and not shape.rank,
        is_packed=True,
        is_lean=True,
        checkpointing=config.model.gradient_checkpointing,
        clips_apart=config.ppo.clip_grads == "apart" and config.ppo.value_grad_to_trunk,
        tokens=config.trainer.tokens_per_micro_batch,
        rows=config.trainer.decode_batch,
        evaluated=evaluated,
        devices=config.trainer.devices,
        strategy=config.trainer.strategy,
    )


def beside(setting: Setting, config: Config) -> Setting:
    """The same for a baseline, which differs in its method and runs in one process."""
    return replace(setting, **_of_method(config), devices=1)


def _of_method(config: Config) -> dict[str, Any]:
    method = METHODS[config.method]
    return {
        "has_reference": len(method.stages) > 1,
        "has_own_values": config.model.value == "separate" and method.has_critic(config),
    }
