"""Share of the machine's matmul peak that the PPO update reaches, one thread.

Peak is the fastest single-precision product of square matrices, in floating-point operations a CPU second. Useful are
the operations that the result of an update cannot do without: matrix products over real tokens (no padding), forward
and backward; in the last layer, queries, attention output and MLP only for positions that predict a response token;
the head likewise. Attention counts its causal half.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import workloads
from clock import Turn, timed
from figures import Figure, Spread
from ours import stage_of
from turns import alternate

from reft_lab.methods.stages.reinforcement import Reinforcement
from reft_lab.methods.stages.rollouts import Rollouts
from reft_lab.methods.stages.update import update
from reft_lab.programs import ProgramRunner

# workload: turns, and turns in a hurry
ROUNDS = {"tiny": (15, 5), "llama-30m-paper": (4, 1)}
SIZES = (512, 1024, 2048)


def measure(folder: Path, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    """A figure for each model."""
    torch.set_num_threads(1)
    return [_measure(name, workloads.ready(name, folder, say), quick, say) for name in ROUNDS]


def _measure(name: str, place: Path, quick: bool, say: Callable[[str], None]) -> Figure:
    say(f"{name}: one iteration")
    with ProgramRunner(workloads.config(place).programs) as programs:
        stage = stage_of(workloads.setup(place, programs))
        rollouts = stage.iterate().rollouts
    turns = alternate({"matmul": matmul, "update": partial(updating, stage, rollouts)}, ROUNDS[name][quick], say)
    speeds = {side: [turn.work / turn.cpu / 1e9 for turn in taken] for side, taken in turns.items()}
    return Figure(
        f"share of matmul peak in the update: {workloads.WORKLOADS[name].title}",
        "GFLOP a CPU second",
        Spread.of(speeds["update"]),
        "product of square matrices",
        Spread.of(speeds["matmul"]),
        Spread.of([ours / theirs for ours, theirs in zip(speeds["update"], speeds["matmul"], strict=True)]),
        goal=0.5,
    )


def matmul() -> Turn:
    """The fastest of some sizes."""
    turns = []
    for n in SIZES:
        a, b = torch.randn(n, n), torch.randn(n, n)
        repeats = 2 * (SIZES[-1] // n) ** 3

        def job(a: torch.Tensor = a, b: torch.Tensor = b, n: int = n, repeats: int = repeats) -> float:
            for _ in range(repeats):
                torch.mm(a, b)
            return 2.0 * n**3 * repeats

        turns.append(timed(job))
    return max(turns, key=lambda turn: turn.work / turn.cpu)


def updating(stage: Reinforcement, rollouts: Rollouts) -> Turn:
    """The PPO passes over one batch of rollouts."""
    order = [list(range(len(rollouts)))] * stage.config.epochs

    def job() -> float:
        update(
            stage.policy,
            rollouts,
            stage.optimizer,
            stage.config,
            order=order,
            pad_id=stage.asking.pad_id,
            tokens_per_micro_batch=stage.tokens_per_micro_batch,
        )
        return stage.config.epochs * useful_flops(stage.policy.lm.config, rollouts.prompts, rollouts.responses)

    return timed(job)


def useful_flops(config: Any, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]]) -> float:
    """Operations of one forward and backward pass over a Llama, see the top of this file."""
    hidden, mlp, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    keys_and_values = 2 * hidden * hidden * config.num_key_value_heads // config.num_attention_heads
    others = 2 * hidden * hidden + 3 * hidden * mlp  # weights of queries, attention output and MLP

    def layer(tokens: int, asked: int) -> float:
        """One layer, of which the last `asked` positions are wanted."""
        pairs = tokens * (tokens + 1) / 2 - (tokens - asked) * (tokens - asked + 1) / 2
        return 2 * tokens * keys_and_values + 2 * asked * others + 4 * pairs * hidden

    forward = 0.0
    for prompt, response in zip(prompts, responses, strict=True):
        tokens, predicting = len(prompt) + len(response) - 1, len(response)
        forward += (layers - 1) * layer(tokens, tokens) + layer(tokens, predicting)
        forward += 2 * predicting * hidden * config.vocab_size
    return 3 * forward
