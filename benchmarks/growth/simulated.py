"""How long an iteration of CodeLLaMA-7B would take on several GPUs, by arithmetic: nothing of it was run.

What one GPU takes is measured (docs/gpu.md: one H200, 32 rollouts of 128 tokens, two passes over them, bf16). What is
exchanged follows from the bytes that the axis `processes` counts: 4 for each trained weight in each optimiser step.
How fast it is exchanged is assumed. Nothing overlaps, as it is with trainer.strategy=ddp.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

WEIGHTS = 6.74e9
TOKENS, STEPS = 128, 2
"""Of a response; optimiser steps of an iteration."""

# Measured seconds: 32 rollouts, their scores and their update; tokens a second with 128 rows at once.
MEASURED_ROLLOUTS, ROLLOUT, SCORE, UPDATE = 32, 1.52, 0.70, 2.58
MEASURED_ROWS, TOKENS_A_SECOND = 128, 6658
ROW = (MEASURED_ROWS / TOKENS_A_SECOND - ROLLOUT / TOKENS) / (MEASURED_ROWS - MEASURED_ROLLOUTS)
STEP = ROLLOUT / TOKENS - MEASURED_ROLLOUTS * ROW
"""Seconds of a step of decoding: STEP, and ROW for each row."""

LINKS = {"NVLink, 300 GB/s": 300e9, "between machines, 40 GB/s": 40e9, "PCIe, 10 GB/s": 10e9}
"""Bytes a second of an all-reduce, as each GPU sees them (nccl-tests' bus bandwidth)."""


@dataclass(frozen=True)
class Iteration:
    """An iteration on several GPUs.

    Attributes:
        gpus: how many.
        rollouts: of all of them, which are one mini-batch.
        strategy: trainer.strategy, or `adapters` for ddp with an adapter, whose bytes are too few to count.
    """

    gpus: int
    rollouts: int
    strategy: str = "ddp"

    @property
    def sampling(self) -> float:
        """Seconds; a step of decoding hardly gets shorter with fewer rows."""
        return sampling(self.rollouts / self.gpus)

    @property
    def computing(self) -> float:
        """Seconds of scores and update of the GPU with the largest share, which is as large as all others if it can."""
        return math.ceil(self.rollouts / self.gpus) / MEASURED_ROLLOUTS * (SCORE + UPDATE)

    @property
    def exchanged(self) -> float:
        """Bytes that leave each GPU.

        With ddp a ring's all-reduce of fp32 gradients in each optimiser step. With fsdp fp32 weights are gathered for
        sampling, for two models that score, and forward and backward in each step, and gradients are scattered.
        """
        each = (self.gpus - 1) / self.gpus
        if self.strategy == "ddp":
            return STEPS * 2 * each * 4 * WEIGHTS
        if self.strategy == "fsdp":
            return each * WEIGHTS * 4 * (1 + 2 + 2 * STEPS + STEPS)
        return 0.0

    def seconds(self, link: float) -> float:
        """All of it, with so many bytes a second between GPUs."""
        return self.sampling + self.computing + self.exchanged / link


def sampling(rows: float, at_once: int = MEASURED_ROWS) -> float:
    """Seconds of decoding so many responses on one GPU."""
    whole, rest = divmod(rows, at_once)
    widths = [*[at_once] * int(whole), *([rest] if rest else [])]
    return sum(TOKENS * (STEP + ROW * width) for width in widths)


def simulated() -> str:
    """Iterations on 8 and 64 GPUs, in Markdown."""
    lines = [
        "| GPUs | rollouts | sampling, s | scores and update, s | "
        + " | ".join(f"exchange, {name}, s" for name in LINKS)
        + " | speed-up |",
        "|---" * (5 + len(LINKS)) + "|",
    ]
    for gpus, rollouts in ((8, 32), (8, 256), (64, 256), (64, 2048)):
        each, one = Iteration(gpus, rollouts), Iteration(1, rollouts)
        speedups = [one.seconds(link) / each.seconds(link) for link in LINKS.values()]
        cells = [f"{each.sampling:.2f}", f"{each.computing:.2f}"]
        cells += [f"{each.exchanged / link:.2f}" for link in LINKS.values()]
        lines.append(f"| {gpus} | {rollouts:,} | {' | '.join(cells)} | {min(speedups):.1f} to {max(speedups):.1f} |")
    return "\n".join(lines)


PASSES, PROBLEMS, EVERY, DEV, WARMUP = 300, 7156, 20, 200, 2
"""As the experiment has it: passes of ReFT, problems, iterations between evaluations of so many, passes of the warm-up.
"""


@dataclass(frozen=True)
class Plan:
    """The paper's experiment on some GPUs.

    Attributes:
        gpus: how many.
        needs: GB of each at least, by docs/scale.md.
        strategy: as in Iteration.
        rows: trainer.decode_batch.
    """

    gpus: int
    needs: int
    strategy: str
    rows: int = 32

    @property
    def words(self) -> str:
        """What is typed beside the experiment."""
        found = [f"trainer.devices={self.gpus}"] if self.gpus > 1 else []
        found += {"fsdp": ["trainer.strategy=fsdp"], "adapters": ["lora=r16_7b"]}.get(self.strategy, [])
        return " ".join([*found, f"trainer.decode_batch={self.rows}"])

    def hours(self, link: float) -> float:
        """Of warm-up and ReFT with the evaluations of dev."""
        iterations = PASSES * PROBLEMS / MEASURED_ROLLOUTS
        each = Iteration(self.gpus, MEASURED_ROLLOUTS, self.strategy).seconds(link)
        looks = iterations / EVERY * sampling(DEV / self.gpus, self.rows)
        warmup = WARMUP * PROBLEMS / self.gpus * UPDATE / (STEPS * MEASURED_ROLLOUTS)
        return (iterations * each + looks + warmup) / 3600


PLANS = (
    Plan(1, 141, "ddp"),
    Plan(1, 80, "adapters"),
    Plan(2, 141, "ddp"),
    Plan(2, 80, "adapters"),
    Plan(4, 80, "fsdp", rows=16),
    Plan(4, 80, "adapters"),
    Plan(8, 141, "ddp"),
    Plan(8, 80, "fsdp"),
    Plan(8, 80, "adapters"),
)


def hours() -> str:
    """The paper's experiment on 1 to 8 GPUs, in Markdown."""
    nvlink, *_, pcie = LINKS
    lines = [f"| GPUs | GB each | add to the command | hours, {nvlink} | hours, {pcie} |", "|---|---|---|---|---|"]
    for plan in PLANS:
        fast, slow = (f"{plan.hours(LINKS[name]):.0f}" for name in (nvlink, pcie))
        lines.append(f"| {plan.gpus} | {plan.needs} | `{plan.words}` | {fast} | {slow if plan.gpus > 1 else ''} |")
    return "\n".join(lines)
