"""AdamW whose moments take 8 bits (2110.02861), by bitsandbytes.

Each block of 256 weights has a scale, and a moment of a weight is a place in a table of 256 numbers between -1 and 1.
torchao has the same, but compiles it for each shape of a tensor at the first step: that takes a minute, and a compiler.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from reft_lab.errors import BadInput, first_sentence, foreign_errors

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

NAME = "adamw_8bit"
OPTION = f"trainer.optimizer={NAME}"
SMALLEST = 4096  # weights of a tensor whose moments may take 8 bits
BLOCK = 256  # weights with a scale of their own
TABLES = ("qmap1", "qmap2")  # what the codes mean: constants


def need_bitsandbytes() -> None:
    """Raise BadInput where bitsandbytes is not installed."""
    if find_spec("bitsandbytes") is None:
        raise BadInput(f"{OPTION} needs the package bitsandbytes: pip install 'reft_lab[bitsandbytes]'.")


def try_on(device: str) -> None:
    """Do one step on `device`, so that what cannot be is said before anything is loaded.

    Raises:
        BadInput: bitsandbytes does not serve the device.
    """
    import torch

    with foreign_errors(
        lambda error: (
            f"{OPTION} does not work on the device {device} here (bitsandbytes: {first_sentence(error)}); take "
            "trainer.optimizer=adamw, or a build of bitsandbytes for this device."
        )
    ):
        weight = torch.nn.Parameter(torch.ones(SMALLEST, device=device))
        weight.grad = torch.ones_like(weight)
        adamw_8bit([{"params": [weight]}], lr=1e-3).step()
        if not 0.998 < weight.mean().item() < 1:
            raise RuntimeError("a step of 0.001 came out wrong")


def adamw_8bit(groups: list[dict[str, Any]], lr: float) -> torch.optim.Optimizer:
    """The optimiser, over groups as torch's own has them; the moments of all that is in them take 8 bits."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it says at once what it has no use for
    from bitsandbytes.optim import AdamW8bit

    optimizer: torch.optim.Optimizer = AdamW8bit(groups, lr=lr, min_8bit_size=1)
    return optimizer


def check_parts(shape: torch.Size, parts: int) -> None:
    """See that a tensor has the same blocks in so many parts, of rows, as it has whole.

    Raises:
        BadInput: it has others, with which states could not go on in another number of processes.
    """
    rows, count = shape[0], shape.numel()
    if rows % parts or count // parts % BLOCK:
        raise BadInput(
            f"{OPTION} keeps a scale for each {BLOCK} weights in a row, and {parts} parts of a matrix of {rows} by "
            f"{count // rows} would cut them; take another number of trainer.devices, or trainer.optimizer=adamw."
        )


def plain(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state of a parameter as tensors that can be saved; that of torch's own AdamW as it is."""
    import torch

    return {name: torch.as_tensor(value) for name, value in state.items() if name not in TABLES}


def put(optimizer: Any, group: int, place: int, saved: Mapping[str, Tensor]) -> None:
    """Give a parameter, by its group and its place in it, the state that `plain` gave."""
    owner = optimizer.param_groups[group]
    parameter = owner["params"][place]
    optimizer.init_state(owner, parameter, group, place)
    for name, value in saved.items():
        optimizer.state[parameter][name] = int(value) if name == "step" else value.to(parameter.device)


def moment_bytes(parameter: nn.Parameter) -> int:
    """What the moments of a parameter take."""
    count = parameter.numel()
    return 8 * count if count < SMALLEST else 2 * (count + 4 * -(-count // BLOCK))
