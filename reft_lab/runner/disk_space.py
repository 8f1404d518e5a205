"""Whether the disk has room for what a run is going to write, before it begins."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from rich.filesize import decimal
from torch import nn

from reft_lab.config.schema import Config
from reft_lab.errors import BadInput
from reft_lab.methods import METHODS
from reft_lab.methods.stages.optimizer import moment_bytes
from reft_lab.policy.adapters import base_name
from reft_lab.policy.model import Policy

# Records, predictions, tokenizers and W&B's files.
SMALL_FILES = 32 << 20


def check_space(config: Config, policy: Policy, directory: Path) -> None:
    """Compare what the checkpoints of a new run need with what is free.

    Raises:
        BadInput: there is less.
    """
    existing = next(folder for folder in (directory, *directory.absolute().parents) if folder.exists())
    free, needed = shutil.disk_usage(existing).free, bytes_needed(config, policy)
    if free < needed:
        raise BadInput(
            f"{existing} has {decimal(free)} free, and the checkpoints of this run take up to {decimal(needed)}; "
            "make room, lower checkpoint.keep, or name a folder on another disk: hydra.run.dir=DIR."
        )


def bytes_needed(config: Config, policy: Policy) -> int:
    """The most that the checkpoints of a run take, one that is being written included.

    A full state holds the weights in fp32 and AdamW's two moments; an exported policy holds the weights. Each kept
    state may hold another best policy, and what a warm-up led to is kept once more, with `checkpoint.warmups` as a full
    state too. A separate value model is another trunk, in the states and policies of a method with a critic only.
    Where there is an adapter, it takes the place of the weights in all of them; the model beneath it is kept once if it
    cannot be loaded from elsewhere, and with `model.lora.merge` the best policy once more as a whole.
    """
    every, of_trunk = (
        [p for p in of.parameters() if p.requires_grad or not policy.is_adapted]
        for of in (policy, policy.lm.base_model)
    )
    kept, total, once = config.checkpoint.keep, SMALL_FILES, 0
    if policy.is_adapted:
        wholes = (base_name(policy.lm) is None) + 2 * config.model.lora.merge  # one that is replaced included
        once = wholes * _bytes(policy.parameters())
    trained = (METHODS[name] for name in (config.method, config.baseline) if name and METHODS[name].trains)
    for method in trained:
        separate = config.model.value == "separate" and method.has_critic(config)
        own = [*every, *of_trunk] if separate else every
        weights, moments = _bytes(own), moment_bytes(policy, own, config.trainer.optimizer)
        total += (kept + 1) * (weights + moments) + (kept + 2) * weights
        total += _bytes(every) * (len(method.stages) - 1)
        total += once
        if config.checkpoint.warmups and len(method.stages) > 1:
            total += _bytes(every) + moment_bytes(policy, every, config.trainer.optimizer)
    return total


def _bytes(parameters: Iterable[nn.Parameter]) -> int:
    """Of parameters in fp32."""
    return sum(parameter.numel() * 4 for parameter in parameters)
