"""On a CUDA GPU: decoding next to what it must read, rollouts next to `generate`, whole iterations and their memory,
share of the matmul peak. All in bf16 over fp32 weights.

    python benchmarks/gpu.py                    # every shape that fits, in under 8 minutes
    python benchmarks/gpu.py 135M 1.1B --docs   # some, and the table in docs/gpu.md is renewed
    python benchmarks/gpu.py --device cpu       # two layers and a few tokens on the CPU, to see that it runs

Models have random weights, so every response runs to its cap: what the sampler saves by dropping rows that have ended
does not show. Answers are judged by their last token; what programs cost is measured elsewhere.
"""

from __future__ import annotations

import argparse
import copy
import gc
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapes
import torch
from decoding import bandwidth, bytes_of_step, mean_columns, seconds_of_step, timed
from figures import MARK, Spread
from peak import useful_flops

from reft_lab.answers.outcome import Outcome
from reft_lab.methods import STAGES
from reft_lab.methods.settings import PPOConfig
from reft_lab.methods.stages.asking import Asking
from reft_lab.methods.stages.reinforcement import Reinforcement
from reft_lab.methods.stages.rollouts import Rollouts
from reft_lab.methods.stages.update import update
from reft_lab.policy.model import Policy, checkpoint_layers
from reft_lab.policy.sampling import sample
from reft_lab.randomness import generator, key, uniforms
from reft_lab.rewards import exact

os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")  # as in a run
EOS, PAD = 2, 0
GIB = 2**30
PAGE = Path(__file__).resolve().parent.parent / "docs" / "gpu.md"


@dataclass(frozen=True)
class Shape:
    """A Llama.

    Attributes:
        needs: GiB of weights, gradients, optimiser state and reference.
        goal: most times the floor that a step of decoding should take; None: no goal.
        checkpointing: whether activations are computed again for the gradient.
    """

    needs: float
    goal: float | None = None
    checkpointing: bool = False


# By the names of `shapes.SIZES`.
SHAPES = {
    "30M": Shape(1),
    "135M": Shape(3, goal=3.0),
    "1.1B": Shape(22, goal=2.0),
    "6.7B": Shape(114, goal=1.5, checkpointing=True),
}


@dataclass(frozen=True)
class Work:
    """How much is measured.

    Attributes:
        device: where.
        rows: prompts, all of them decoded at once.
        tokens: of each response.
        rollouts: of an iteration, which is the paper's.
        rounds: turns of sampling; iterations are one more than twice as many, updates too.
        square: rows of the matrices whose product is the peak.
    """

    device: torch.device
    rows: int = 128
    tokens: int = 128
    rollouts: int = 32
    rounds: int = 3
    square: int = 8192


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="How fast reft_lab is on this GPU.")
    parser.add_argument("shapes", nargs="*", metavar="SHAPE", help=f"of {', '.join(SHAPES)}; all if none is named")
    parser.add_argument("--docs", action="store_true", help="renew the table in docs/gpu.md")
    parser.add_argument("--minutes", type=float, default=6, help="after so many no further shape is begun")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: a small model, to see it run")
    options = parser.parse_args(words)
    if unknown := set(options.shapes) - SHAPES.keys():
        parser.error(f"there is no shape {', '.join(sorted(unknown))}; there are {', '.join(SHAPES)}")
    work = Work(torch.device(options.device))
    names: dict[str, Shape] = {name: SHAPES[name] for name in options.shapes or SHAPES}
    if options.device == "cpu":
        if options.docs or options.shapes:
            parser.error("--device cpu runs a small model alone, whose figures say nothing")
        work, names = Work(work.device, rows=6, tokens=5, rollouts=4, rounds=1, square=256), {"small": Shape(0)}
    elif not torch.cuda.is_available():
        parser.error("torch finds no CUDA GPU here; --device cpu shows that the benchmark runs")
    started = time.monotonic()
    peak, speed = matmul_peak(work), bandwidth(work.device)
    name_of_device = torch.cuda.get_device_name() if options.device == "cuda" else "a CPU"
    lines = [
        f"{name_of_device}, torch {torch.__version__}; a product of bf16 matrices of {work.square} runs at "
        f"{peak / 1e12:.3g} TFLOP/s, a copy at {speed / 1e9:,.0f} GB/s.",
        "",
        "| model | what | value | next to | ratio |",
        "| --- | --- | --- | --- | --- |",
    ]
    print("\n".join(lines), flush=True)
    for name, shape in names.items():
        if time.monotonic() - started > 60 * options.minutes:
            print(f"left out for want of time: {name}", flush=True)
            continue
        for row in rows(name, shape, work, peak, speed):
            lines.append("| " + " | ".join((name, *row)) + " |")
            print(lines[-1], flush=True)
    print(f"{time.monotonic() - started:.0f} s in all")
    if options.docs:
        before, _, after = PAGE.read_text(encoding="utf-8").split(MARK)
        table = "\n".join(lines)
        PAGE.write_text(f"{before}{MARK}\n{table}\n{MARK}{after}", encoding="utf-8")


def rows(name: str, shape: Shape, work: Work, peak: float, speed: float) -> list[tuple[str, str, str, str]]:
    """What is measured of one shape: what, value, next to, ratio."""
    policy = make_policy(name, work)
    prompts = make_prompts(work.rows, policy.lm.config.vocab_size)
    found = [*steps(policy, prompts, shape, work, speed), *rollouts(policy, prompts, work)]
    release()
    if work.device.type == "cuda":
        free = torch.cuda.get_device_properties(0).total_memory / GIB
        if free < shape.needs * 1.05:
            return [*found, ("iterations", f"need {shape.needs:.0f} GiB and more, this GPU has {free:.0f}", "", "")]
    if shape.checkpointing:
        checkpoint_layers(policy.lm)
    return found + iterations(policy, prompts, work, peak, with_general_path=shape.needs < 50)


def make_policy(name: str, work: Work, *, fast_path: bool = True) -> Policy:
    """A policy with random weights, which compute in bf16."""
    with work.device:
        lm = shapes.make(name, max_position_embeddings=2048, eos_token_id=EOS)
        return Policy(lm, precision="bf16", fast_path=fast_path).to(work.device)


def make_prompts(count: int, vocabulary: int) -> list[list[int]]:
    """Prompts as long as those of GSM8K, 40 to 160 tokens."""
    draw = generator("prompts", count)
    return [draw.integers(3, vocabulary, size=int(draw.integers(40, 160))).tolist() for _ in range(count)]


def sampler(policy: Policy, prompts: Sequence[list[int]]) -> Callable[[int, int], float]:
    """Samples responses of as many tokens in a turn of this number, and counts their tokens."""

    def sampled(cap: int, turn: int) -> float:
        draws = uniforms([key("gpu", turn, i) for i in range(len(prompts))], cap)
        options = {"eos_id": EOS, "pad_id": PAD, "max_new_tokens": cap, "batch_size": len(prompts)}
        return float(sample(policy, prompts, uniforms=draws, **options).mask.sum())

    return sampled


def steps(
    policy: Policy, prompts: Sequence[list[int]], shape: Shape, work: Work, speed: float
) -> list[tuple[str, str, str, str]]:
    """Steps a second next to the floor, by the decoder for Llama and by that of all other families."""
    floor = bytes_of_step(policy.lm.config, "bf16", work.rows, mean_columns(prompts, work.tokens)) / speed
    found = []
    general = Policy(policy.lm, critic=policy.value_head is not None, precision="bf16", fast_path=False)
    for words, one in (("decoding, steps/s", policy), ("decoding as other families, steps/s", general.to(work.device))):
        sampled = sampler(one, prompts)

        def measured(sampled: Callable[[int, int], float] = sampled) -> float:
            return seconds_of_step(lambda cap: sampled(cap, 0), work.tokens, lambda job: timed(job, work.device))

        measured()
        took = [measured() for _ in range(work.rounds)]
        goal = "" if shape.goal is None or one is general else f", goal {shape.goal:g}"
        found.append(
            (
                words,
                str(Spread.of([1 / seconds for seconds in took])),
                f"reading all once: {1 / floor:,.0f}",
                f"{statistics.median(took) / floor:.2f} times the floor{goal}",
            )
        )
    return found


def rollouts(policy: Policy, prompts: Sequence[list[int]], work: Work) -> list[tuple[str, str, str, str]]:
    """Tokens a second of the sampler and of `generate` on a bf16 copy of the model, all prompts in one batch."""
    lm = copy.deepcopy(policy.lm).to(torch.bfloat16).eval()
    width = max(map(len, prompts))
    ids = torch.tensor([[PAD] * (width - len(prompt)) + prompt for prompt in prompts], device=work.device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=work.device)
    sampled = sampler(policy, prompts)

    @torch.no_grad()
    def theirs(turn: int) -> float:
        written = lm.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            max_new_tokens=work.tokens,
            eos_token_id=EOS,
            pad_token_id=PAD,
        )[:, width:]
        ended = (written == EOS).long().cumsum(1) - (written == EOS).long()
        return float((ended == 0).sum())

    speeds = alternate(lambda turn: sampled(work.tokens, turn), theirs, work)
    mine, others = (Spread.of(side) for side in speeds)
    ratio = Spread.of([a / b for a, b in zip(*speeds, strict=True)])
    return [("rollouts, tokens/s", str(mine), f"transformers generate: {others}", str(ratio))]


def iterations(
    policy: Policy, prompts: Sequence[list[int]], work: Work, peak: float, *, with_general_path: bool
) -> list[tuple[str, str, str, str]]:
    """Whole iterations of the paper's size: 32 rollouts, 2 passes. Some first, in which libraries meet new shapes."""
    on_gpu = work.device.type == "cuda"
    stage = make_stage(policy, prompts, work)
    for _ in range(work.rounds + 1):
        stage.iterate()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    taken = [stage.iterate() for _ in range(2 * work.rounds - 1)]
    memory = f"{torch.cuda.max_memory_allocated() / GIB:.1f}" if on_gpu else ""
    seconds = {part: [one.metrics[f"time/{part}_seconds"] for one in taken] for part in ("rollout", "score", "update")}
    parts = ", ".join(f"{part} {statistics.median(values):.2f}" for part, values in seconds.items())
    rollouts = taken[-1].rollouts
    updates = update_seconds(stage, rollouts, work)
    share = useful(stage, rollouts) / statistics.median(updates) / peak
    found = [
        (f"iteration of {work.rollouts} rollouts, s", parts, "", ""),
        ("peak memory of an iteration, GiB", memory, "", ""),
        ("update, share of the matmul peak", "", "", f"{share:.2f}"),
    ]
    del stage, taken
    if with_general_path:
        release()
        general = make_stage(Policy(policy.lm, precision="bf16", fast_path=False).to(work.device), prompts, work)
        slower = update_seconds(general, rollouts, work)
        ratio = Spread.of([b / a for a, b in zip(updates, slower, strict=True)])
        found.append(("update, s", str(Spread.of(updates)), f"transformers' forward: {Spread.of(slower)}", str(ratio)))
    return found


def update_seconds(stage: Reinforcement, rollouts: Rollouts, work: Work) -> list[float]:
    """What updates take on the same rollouts, after two that warm up."""
    order = [list(range(len(rollouts)))] * stage.config.epochs
    options = {"pad_id": PAD, "tokens_per_micro_batch": stage.tokens_per_micro_batch}

    def job() -> None:
        update(stage.policy, rollouts, stage.optimizer, stage.config, order=order, **options)

    return [timed(job, work.device) for _ in range(2 * work.rounds + 1)][2:]


def make_stage(policy: Policy, prompts: Sequence[list[int]], work: Work) -> Reinforcement:
    """A ReFT stage that is right where the last token is even."""

    def judge(questions: Sequence[int], responses: Sequence[Sequence[int]]) -> list[Outcome]:
        return [Outcome("wrong" if response[-1] % 2 else "correct") for response in responses]

    def reward(questions: Any, responses: Any, outcomes: Sequence[Outcome], keys: Any, step: int) -> list[float]:
        return [exact(outcome) for outcome in outcomes]

    size = work.rollouts
    config = PPOConfig(iterations=100, rollouts=size, mini_batch=size, epochs=2, max_new_tokens=work.tokens)
    names = [f"q{i}" for i in range(len(prompts))]
    options = {"seed": 0, "eos_id": EOS, "pad_id": PAD, "decode_batch": work.rows}
    asking = Asking(list(prompts), names, judge, reward, config, **options)
    return Reinforcement(policy, policy.reference(), asking, kind=STAGES["reft"], tokens_per_micro_batch=8192)


def useful(stage: Reinforcement, rollouts: Rollouts) -> float:
    """Operations that the result of an update needs."""
    return stage.config.epochs * useful_flops(stage.policy.lm.config, rollouts.prompts, rollouts.responses)


def matmul_peak(work: Work) -> float:
    """Operations a second of a large bf16 product of random matrices, the median of ten."""
    size = work.square
    a, b = (torch.randn(size, size, device=work.device, dtype=torch.bfloat16) for _ in range(2))
    times = [timed(lambda: a @ b, work.device) for _ in range(13)]
    return 2 * size**3 / float(np.median(times[3:]))


def alternate(
    ours: Callable[[int], float], theirs: Callable[[int], float], work: Work
) -> tuple[list[float], list[float]]:
    """Work a second of both sides in turn; the first turn of each is thrown away."""
    speeds: tuple[list[float], list[float]] = ([], [])
    for turn in range(work.rounds + 1):
        for side, job in enumerate((ours, theirs)):
            done: list[float] = []
            seconds = timed(lambda job=job, turn=turn, done=done: done.append(job(turn)), work.device)
            if turn:
                speeds[side].append(done[0] / seconds)
    return speeds


def release() -> None:
    """Give back what nothing holds any more."""
    gc.collect()
    torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
