"""Rollout tokens per second: reft_lab's sampler next to transformers' `generate`.

Both sample from the full distribution at temperature 1 and stop when all responses of a batch have ended. `generate`
gets the batch size that suits it best on this machine, tried out first; reft_lab runs at its configured one. Only
tokens of responses count. reft_lab also returns log-probability, entropy and value of each token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

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


def measure(folder: Path, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    """One figure for each model."""
    torch.set_num_threads(1)
    return [_measure(name, case, workloads.ready(name, folder, say), quick, say) for name, case in CASES.items()]


def _measure(name: str, case: Case, place: Path, quick: bool, say: Callable[[str], None]) -> Figure:
    with ProgramRunner(workloads.config(place).programs) as programs:
        made = workloads.setup(place, programs)
    _, prompts = made.questions()
    prompts = prompts[: case.prompts // 2 if quick else case.prompts]
    say(f"{name}: looking for generate's best batch size")
    best = fastest({size: generating(made, prompts, size) for size in case.sizes if size <= len(prompts)})
    peer = f"transformers generate, batch {best}"
    sides = {"reft_lab": sampling(made, prompts), peer: generating(made, prompts, best)}
    turns = alternate(sides, case.rounds[quick], say)
    title = f"rollouts: {workloads.WORKLOADS[name].title}"
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


def generating(made: Setup, prompts: Sequence[list[int]], batch: int) -> Callable[[], Turn]:
    """Turns of `generate` over the prompts in batches, as they come."""
    tokenizer, lm = made.codec.tokenizer, made.policy.lm.eval()
    eos_id = made.codec.eos_id

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
    speeds = {size: (turn := side()).work / turn.cpu for size, side in sides.items()}
    return max(speeds, key=lambda size: speeds[size])
