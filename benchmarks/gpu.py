"""On a CUDA GPU: rollouts next to `generate`, whole iterations and their memory, share of the matmul peak.

    python benchmarks/gpu.py                    # every shape that fits
    python benchmarks/gpu.py 30M 1.1B --docs    # some, and the table in docs/gpu.md is renewed

Models have random weights, so every response runs to its cap: what the sampler saves by dropping rows that have ended
does not show. Answers are judged by their last token; what programs cost is measured elsewhere.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
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
VOCABULARY, EOS, PAD = 32_016, 2, 0
PROMPTS, CAP = 128, 128
GIB = 2**30
PAGE = Path(__file__).resolve().parent.parent / "docs" / "gpu.md"


@dataclass(frozen=True)
class Shape:
    """A Llama.

    Attributes:
        sizes: what its config takes.
        needs: GiB of weights, gradients, optimiser state and reference.
        checkpointing: whether activations are computed again for the gradient.
    """

    sizes: dict[str, int]
    needs: float
    checkpointing: bool = False


def _sizes(hidden: int, layers: int, heads: int, kv_heads: int, mlp: int) -> dict[str, int]:
    return {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "intermediate_size": mlp,
    }


SHAPES = {
    "30M": Shape(_sizes(384, 8, 6, 6, 1408), 1),
    "1.1B": Shape(_sizes(2048, 22, 32, 4, 5632), 22),
    "6.7B": Shape(_sizes(4096, 32, 32, 32, 11_008), 126, checkpointing=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast reft_lab is on this GPU.")
    parser.add_argument("shapes", nargs="*", metavar="SHAPE", help=f"of {', '.join(SHAPES)}; all if none is named")
    parser.add_argument("--docs", action="store_true", help="renew the table in docs/gpu.md")
    options = parser.parse_args()
    if unknown := set(options.shapes) - SHAPES.keys():
        parser.error(f"there is no shape {', '.join(sorted(unknown))}; there are {', '.join(SHAPES)}")
    if not torch.cuda.is_available():
        parser.error("torch finds no CUDA GPU here")
    peak = matmul_peak()
    lines = [
        f"{torch.cuda.get_device_name()}, torch {torch.__version__}; a product of bf16 matrices of 8192 runs at "
        f"{peak / 1e12:.0f} TFLOP/s.",
        "",
        "| model | what | value | next to | ratio |",
        "| --- | --- | --- | --- | --- |",
    ]
    print("\n".join(lines), flush=True)
    for name in options.shapes or SHAPES:
        for row in rows(name, SHAPES[name], peak):
            lines.append("| " + " | ".join((name, *row)) + " |")
            print(lines[-1], flush=True)
    if options.docs:
        before, _, after = PAGE.read_text(encoding="utf-8").split(MARK)
        table = "\n".join(lines)
        PAGE.write_text(f"{before}{MARK}\n{table}\n{MARK}{after}", encoding="utf-8")


def rows(name: str, shape: Shape, peak: float) -> list[tuple[str, str, str, str]]:
    """What is measured of one shape: what, value, next to, ratio."""
    policy = make_policy(shape)
    prompts = make_prompts(PROMPTS)
    found = rollouts(policy, prompts)
    release()
    free = torch.cuda.get_device_properties(0).total_memory / GIB
    if free < shape.needs * 1.05:
        return [*found, ("iterations", f"need {shape.needs:.0f} GiB and more, this GPU has {free:.0f}", "", "")]
    if shape.checkpointing:
        checkpoint_layers(policy.lm)
    return found + iterations(policy, prompts, peak, with_general_path=shape.needs < 50)


def make_policy(shape: Shape) -> Policy:
    """A policy with random weights, which compute in bf16."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=VOCABULARY, max_position_embeddings=2048, eos_token_id=EOS, **shape.sizes)
    with torch.device("cuda"):
        lm = LlamaForCausalLM(config)
        return Policy(lm, precision="bf16").cuda()


def make_prompts(count: int) -> list[list[int]]:
    """Prompts as long as those of GSM8K, 40 to 160 tokens."""
    draw = generator("prompts", count)
    return [draw.integers(3, VOCABULARY, size=int(draw.integers(40, 160))).tolist() for _ in range(count)]


def rollouts(policy: Policy, prompts: Sequence[list[int]]) -> list[tuple[str, str, str, str]]:
    """Tokens a second of the sampler and of `generate` on a bf16 copy of the model, all prompts in one batch."""
    import copy

    lm = copy.deepcopy(policy.lm).to(torch.bfloat16).eval()
    width = max(map(len, prompts))
    ids = torch.tensor([[PAD] * (width - len(prompt)) + prompt for prompt in prompts], device="cuda")
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device="cuda")

    def ours(turn: int) -> float:
        draws = uniforms([key("gpu", turn, i) for i in range(len(prompts))], CAP)
        options = {"eos_id": EOS, "pad_id": PAD, "max_new_tokens": CAP, "batch_size": len(prompts)}
        return float(sample(policy, prompts, uniforms=draws, **options).mask.sum())

    @torch.no_grad()
    def theirs(turn: int) -> float:
        written = lm.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            max_new_tokens=CAP,
            eos_token_id=EOS,
            pad_token_id=PAD,
        )[:, width:]
        ended = (written == EOS).long().cumsum(1) - (written == EOS).long()
        return float((ended == 0).sum())

    speeds = alternate(ours, theirs, rounds=3)
    mine, others = (Spread.of(side) for side in speeds)
    ratio = Spread.of([a / b for a, b in zip(*speeds, strict=True)])
    return [("rollouts, tokens/s", str(mine), f"transformers generate: {others}", str(ratio))]


def iterations(
    policy: Policy, prompts: Sequence[list[int]], peak: float, *, with_general_path: bool
) -> list[tuple[str, str, str, str]]:
    """Whole iterations of the paper's size: 32 rollouts, 2 passes. Four first, in which libraries meet new shapes."""
    stage = make_stage(policy, prompts)
    for _ in range(4):
        stage.iterate()
    torch.cuda.reset_peak_memory_stats()
    taken = [stage.iterate() for _ in range(5)]
    memory = torch.cuda.max_memory_allocated() / GIB
    seconds = {part: [one.metrics[f"time/{part}_seconds"] for one in taken] for part in ("rollout", "score", "update")}
    parts = ", ".join(f"{part} {statistics.median(values):.2f}" for part, values in seconds.items())
    rollouts = taken[-1].rollouts
    updates = update_seconds(stage, rollouts)
    share = useful(stage, rollouts) / statistics.median(updates) / peak
    found = [
        ("iteration of 32 rollouts, s", parts, "", ""),
        ("peak memory of an iteration, GiB", f"{memory:.1f}", "", ""),
        ("update, share of the matmul peak", "", "", f"{share:.2f}"),
    ]
    del stage, taken
    if with_general_path:
        release()
        general = make_stage(Policy(policy.lm, precision="bf16", fast_path=False).cuda(), prompts)
        slower = update_seconds(general, rollouts)
        ratio = Spread.of([b / a for a, b in zip(updates, slower, strict=True)])
        found.append(("update, s", str(Spread.of(updates)), f"transformers' forward: {Spread.of(slower)}", str(ratio)))
    return found


def update_seconds(stage: Reinforcement, rollouts: Rollouts) -> list[float]:
    """What updates take on the same rollouts, after two that warm up."""
    order = [list(range(len(rollouts)))] * stage.config.epochs
    options = {"pad_id": PAD, "tokens_per_micro_batch": stage.tokens_per_micro_batch}

    def job() -> None:
        update(stage.policy, rollouts, stage.optimizer, stage.config, order=order, **options)

    return [timed(job)[0] for _ in range(7)][2:]


def make_stage(policy: Policy, prompts: Sequence[list[int]]) -> Reinforcement:
    """A ReFT stage that is right where the last token is even."""

    def judge(questions: Sequence[int], responses: Sequence[Sequence[int]]) -> list[Outcome]:
        return [Outcome("wrong" if response[-1] % 2 else "correct") for response in responses]

    def reward(questions: Any, responses: Any, outcomes: Sequence[Outcome], keys: Any, step: int) -> list[float]:
        return [exact(outcome) for outcome in outcomes]

    config = PPOConfig(iterations=100, rollouts=32, mini_batch=32, epochs=2, max_new_tokens=CAP)
    names = [f"q{i}" for i in range(len(prompts))]
    asking = Asking(list(prompts), names, judge, reward, config, seed=0, eos_id=EOS, pad_id=PAD, decode_batch=128)
    return Reinforcement(policy, policy.reference(), asking, kind=STAGES["reft"], tokens_per_micro_batch=8192)


def useful(stage: Reinforcement, rollouts: Rollouts) -> float:
    """Operations that the result of an update needs."""
    return stage.config.epochs * useful_flops(stage.policy.lm.config, rollouts.prompts, rollouts.responses)


def matmul_peak() -> float:
    """Operations a second of a large bf16 product of random matrices, the median of ten."""
    a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    times = []
    for _ in range(13):
        times.append(timed(lambda: a @ b)[0])
    return 2 * 8192**3 / float(np.median(times[3:]))


def timed(job: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds until the GPU is done with `job`, and what it returned."""
    torch.cuda.synchronize()
    started = time.perf_counter()
    result = job()
    torch.cuda.synchronize()
    return time.perf_counter() - started, result


def alternate(
    ours: Callable[[int], float], theirs: Callable[[int], float], rounds: int
) -> tuple[list[float], list[float]]:
    """Work a second of both sides in turn; the first turn of each is thrown away."""
    speeds: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 1):
        for side, job in enumerate((ours, theirs)):
            seconds, work = timed(lambda job=job, turn=turn: job(turn))
            if turn:
                speeds[side].append(work / seconds)
    return speeds


def release() -> None:
    """Give back what nothing holds any more."""
    gc.collect()
    torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
