"""Policies on disk: a plain transformers folder, with the value head in a file of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reft_lab.policy.model import Policy

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

VALUE_FILE = "value_model.safetensors"


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A new folder to write to, which takes the place of `folder` when all is written."""
    part = folder.with_name(f".{folder.name}.part")
    old = folder.with_name(f".{folder.name}.old")
    for leftover in (part, old):
        shutil.rmtree(leftover, ignore_errors=True)
    part.mkdir(parents=True)
    yield part
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def save(policy: Policy, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write model, tokenizer and value model to `folder`, replacing what is there only when all is written.

    `AutoModelForCausalLM.from_pretrained(folder)` and `AutoTokenizer.from_pretrained(folder)` load it.
    """
    from safetensors.torch import save_file

    value = {name: tensor for name, tensor in policy.state_dict().items() if name.startswith("value_")}
    with replaced(folder) as part:
        policy.lm.save_pretrained(part)
        tokenizer.save_pretrained(part)
        save_file({name: tensor.contiguous() for name, tensor in value.items()}, part / VALUE_FILE)


def load_weights(policy: Policy, folder: Path) -> None:
    """Put the weights of a folder that `save` wrote into `policy`, which has the same shape."""
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    stored = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    policy.lm.load_state_dict(stored.state_dict())
    policy.load_state_dict(load_file(folder / VALUE_FILE), strict=False)
