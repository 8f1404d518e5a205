"""Sampling from a policy with an adapter: beside its weights at each step, or merged into a copy of them, once a call.

    python benchmarks/adapters.py                                  # SmolLM2-135M's shape, fp32 and bf16
    python benchmarks/adapters.py --prompts 64 --tokens 128 --rounds 5

Weights are random, so every response runs to its cap. Sides take turns; a cell is the median (lowest to highest), in
CPU seconds, or on a GPU in seconds. The last column is what merging takes of a call.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from clock import Turn, timed
from figures import Spread
from shapes import SIZES, make
from turns import alternate

from reft_lab.policy.adapters import with_adapter
from reft_lab.policy.model import Policy
from reft_lab.policy.sampling import sample
from reft_lab.policy.settings import LoraConfig, ModelConfig
from reft_lab.randomness import generator

SHAPE = SIZES["135M"]
PAD, EOS = 0, 2


class Beside(Policy):
    """A policy that is sampled with its adapter beside the weights."""

    def merged(self, dtype: torch.dtype | None = None) -> Policy:
        """Itself."""
        return self


def main() -> None:
    parser = argparse.ArgumentParser(description="What an adapter costs while responses are sampled.")
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=64, help="new tokens of each response")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--layers", type=int, default=SHAPE["num_hidden_layers"])
    parser.add_argument("--precision", nargs="*", default=["fp32", "bf16"], choices=["fp32", "bf16"])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    draws = generator("prompts")
    prompts = [draws.integers(3, SHAPE["vocab_size"], length).tolist() for length in range(40, 40 + options.prompts)]
    print("| precision | side | tokens/s | seconds | of these to merge |\n| --- | --- | --- | --- | --- |", flush=True)
    for precision in options.precision:
        lm = adapted(options.rank, options.layers).to(device)
        policies = {
            "beside, general decoder": Beside(lm, critic=False, precision=precision, fast_path=False),
            "merged, general decoder": Policy(lm, critic=False, precision=precision, fast_path=False),
            "merged, Llama's decoder": Policy(lm, critic=False, precision=precision),
        }
        sides = {name: sampling(policy, prompts, options.tokens) for name, policy in policies.items()}
        for side in sides.values():
            side()
        turns = alternate(sides, options.rounds)
        with torch.no_grad():
            merging = seconds(policies["merged, general decoder"].merged)
        for name, each in turns.items():
            took = [turn.wall if device == "cuda" else turn.cpu for turn in each]
            speed = Spread.of([turn.work / spent for turn, spent in zip(each, took, strict=True)])
            merge = f"{merging:.2f}" if name == "merged, general decoder" else ""
            print(f"| {precision} | {name} | {speed} | {Spread.of(took)} | {merge} |", flush=True)


def adapted(rank: int, layers: int) -> Any:
    """A Llama with an adapter, made on the spot."""
    lm = make("135M", num_hidden_layers=layers).eval()
    return with_adapter(lm, ModelConfig(lora=LoraConfig(rank=rank)), 0)


def sampling(policy: Policy, prompts: Sequence[list[int]], cap: int) -> Callable[[], Turn]:
    """Turns of one call of `sample`, with the same draws each time."""
    uniforms = np.random.default_rng(0).random((len(prompts), cap))

    def job() -> float:
        found = sample(
            policy,
            prompts,
            eos_id=EOS,
            pad_id=PAD,
            max_new_tokens=cap,
            batch_size=len(prompts),
            uniforms=uniforms,
        )
        return float(found.mask.sum())

    return lambda: timed(job)


def seconds(job: Callable[[], object]) -> float:
    """The least of three, counted as turns are."""
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    took = []
    for _ in range(3):
        started = clock()
        job()
        took.append(clock() - started)
    return min(took)


if __name__ == "__main__":
    main()
