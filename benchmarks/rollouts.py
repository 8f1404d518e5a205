"""Rollout tokens per second: reft_lab's sampler next to transformers' `generate`.

Both sample from the full distribution at temperature 1 and stop when all responses of a batch have ended. `generate`
gets the batch size that suits it best on this machine, tried out first, and in bf16 a copy of the model in bf16;
reft_lab runs at its configured batch size, over weights in fp32. Only tokens of responses count. reft_lab also returns
log-probability, entropy and value of each token.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import workloads
from clock import Turn, timed
from figures import Figure, rates
from turns import alternate

from reft_lab.policy.sampling import sample
from reft_lab.programs import ProgramRunner
from reft_lab.randomness import key, uniforms
from reft_lab.runner.setup import Setup


@dataclass(frozen=True)
class Case:
    """What is tried with a workload.

    Attributes:
        prompts: how many; half of them in a hurry.
        sizes: batch sizes to try with `generate`.
        rounds: turns, and turns in a hurry.
        goal: the ratio to reach.
    """

    prompts: int
    sizes: tuple[int, ...]
    rounds: tuple[int, int]
    goal: float


CASES = {
    "tiny": Case(256, (32, 64, 128, 256), (15, 4), 2.0),
    "llama-30m": Case(64, (16, 32, 64), (7, 2), 1.5),
}
SHAPED = Case(64, (64,), (3, 1), 3.0)


def measure(
    folder: Path, quick: bool, say: Callable[[str], None], shape: str | None = None, precision: str = "fp32"
) -> list[Figure]:
    """One figure for each model, or for that of a shape."""
    torch.set_num_threads(1)
    cases = CASES if shape is None else {shape: CASES.get(shape, SHAPED)}
    return [
        _measure(name, case, workloads.ready(name, folder, say), quick, say, precision) for name, case in cases.items()
    ]


def _measure(name: str, case: Case, place: Path, quick: bool, say: Callable[[str], None], precision: str) -> Figure:
    with ProgramRunner(workloads.config(place).programs) as programs:
        made = workloads.setup(place, programs, f"trainer.precision={precision}")
    _, prompts = made.questions()
    prompts = prompts[: case.prompts // 2 if quick else case.prompts]
    say(f"{name}: looking for generate's best batch size")
    lm = made.policy.lm.eval()
    writer = lm if precision == "fp32" else copy.deepcopy(lm).to(torch.bfloat16)
    sizes = [min(size, len(prompts)) for size in case.sizes]
    best = fastest({size: generating(made, writer, prompts, size) for size in sizes})
    peer = f"transformers generate, batch {best}"
    sides = {"reft_lab": sampling(made, prompts), peer: generating(made, writer, prompts, best)}
    turns = alternate(sides, case.rounds[quick], say)
    title = workloads.title("rollouts", name, precision)
    return rates(title, "tokens", turns["reft_lab"], peer, turns[peer], case.goal)


def sampling(made: Setup, prompts: Sequence[list[int]]) -> Callable[[], Turn]:
    """Turns of reft_lab's sampler, each with draws of its own."""
    cap, turns = made.config.ppo.max_new_tokens, iter(range(10**6))

    def job() -> float:
        turn = next(turns)
        sampled = sample(
            made.policy,
            prompts,
            eos_id=made.codec.eos_id,
            pad_id=made.codec.pad_id,
            max_new_tokens=cap,
            batch_size=made.config.trainer.decode_batch,
            uniforms=uniforms([key("benchmark", turn, i) for i in range(len(prompts))], cap),
        )
        return float(sampled.mask.sum())

    return lambda: timed(job)


def generating(made: Setup, lm: Any, prompts: Sequence[list[int]], batch: int) -> Callable[[], Turn]:
    """Turns of the `generate` of `lm` over the prompts in batches, as they come."""
    tokenizer, eos_id = made.codec.tokenizer, made.codec.eos_id

    @torch.no_grad()
    def job() -> float:
        tokens = 0
        for start in range(0, len(prompts), batch):
            padded = tokenizer.pad({"input_ids": list(prompts[start : start + batch])}, return_tensors="pt")
            written = lm.generate(
                input_ids=padded["input_ids"],
                attention_mask=padded["attention_mask"],
                do_sample=True,
                temperature=1.0,
                top_k=0,
                top_p=1.0,
                max_new_tokens=made.config.ppo.max_new_tokens,
                eos_token_id=eos_id,
                pad_token_id=made.codec.pad_id,
            )[:, padded["input_ids"].shape[1] :]
            ended = (written == eos_id).long().cumsum(1)
            tokens += int((ended - (written == eos_id).long() == 0).sum())  # up to the first end, and with it
        return tokens

    return lambda: timed(job)


def fastest(sides: dict[int, Callable[[], Turn]]) -> int:
    """The batch size with most work per CPU second: one turn each, after one that warms up."""
    next(iter(sides.values()))()
    if len(sides) == 1:
        return next(iter(sides))
    speeds = {size: (turn := side()).work / turn.cpu for size, side in sides.items()}
    return max(speeds, key=lambda size: speeds[size])
