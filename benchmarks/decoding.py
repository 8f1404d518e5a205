"""How long a step of decoding takes, next to the least it could: what it must read, read once.

A step reads every weight but the input embedding's, of which it takes a row for each token, and the keys and values of
all tokens so far. At small sizes that is what bounds it: a product with few rows computes less than it reads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

BYTES = {"fp32": 4, "bf16": 2}


def bytes_of_step(config: Any, precision: str, rows: int, columns: float) -> float:
    """What a step of a Llama must read.

    Args:
        config: its config.
        precision: of weights, keys and values.
        rows: that are decoded at once.
        columns: tokens that a row looks at, the mean of all rows.
    """
    width, mlp, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    keys = width * config.num_key_value_heads // config.num_attention_heads
    weights = layers * (2 * width * width + 2 * width * keys + 3 * width * mlp) + width * config.vocab_size
    return BYTES[precision] * (weights + rows * columns * 2 * keys * layers)


def mean_columns(prompts: Sequence[Sequence[int]], cap: int) -> float:
    """Tokens that a row looks at in the steps after the first token, which the prompt alone gives: the mean of all."""
    return sum(map(len, prompts)) / len(prompts) + (1 + cap - 1) / 2


def seconds_of_step(sampled: Callable[[int], Any], cap: int, clock: Callable[[Callable[[], Any]], float]) -> float:
    """What one more token of all rows takes, its choice included; not what is done once: weights, prompts.

    Args:
        sampled: samples responses of as many tokens.
        cap: of the longer ones.
        clock: seconds that something takes.
    """
    return (clock(lambda: sampled(cap)) - clock(lambda: sampled(1))) / (cap - 1)


def bandwidth(device: torch.device) -> float:
    """Bytes a second that go from the memory of a device and to it while a large tensor is copied, the best of some."""
    size = 2**30 if device.type == "cuda" else 2**26
    there, here = (torch.ones(size, dtype=torch.uint8, device=device) for _ in range(2))
    return max(2 * size / timed(lambda: here.copy_(there), device) for _ in range(10))


def timed(job: Callable[[], Any], device: torch.device) -> float:
    """Seconds until the device is done with `job`."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    started = time.perf_counter()
    job()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started
