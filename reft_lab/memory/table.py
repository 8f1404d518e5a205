"""What fits where, by the formula: the tables of docs/scale.md, which `python -m reft_lab.memory.table` writes.

Models are known by their published configs alone: shapes on the meta device, without a number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reft_lab.config.running import DDP, FSDP
from reft_lab.config.schema import Config
from reft_lab.memory.experiment import supposed, works
from reft_lab.memory.phases import largest, phases
from reft_lab.memory.setting import FP32
from reft_lab.memory.shape import Shape

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scale.md"
MARK = "<!-- memory -->"
GIB = 2**30
DEVICES = (1, 2, 4, 8)
# GB by which GPUs are sold, and the GiB that PyTorch finds on the smallest GPU of each size (L4, L40S, H100, H200).
GPUS = {24: 22.0, 48: 44.4, 80: 79.1, 141: 139.8}
FILLED = 0.95  # of them; the rest is for CUDA, NCCL and gaps between blocks
ROWS = (32, 16, 8)  # trainer.decode_batch, the first that makes the smallest GPU do
TOKENS = 4096  # trainer.tokens_per_micro_batch


def _llama(hidden: int, layers: int, heads: int, keys: int, mlp: int, vocabulary: int, **more: Any) -> dict[str, Any]:
    """A config in the words of Llama's, which Qwen2 has taken over."""
    sizes = {"hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads}
    sizes |= {"num_key_value_heads": keys, "intermediate_size": mlp, "vocab_size": vocabulary}
    return {"model_type": "llama", "tie_word_embeddings": True} | sizes | more


# By the config.json of each on the hub.
MODELS: dict[str, dict[str, Any]] = {
    "SmolLM2-135M": _llama(576, 30, 9, 3, 1536, 49_152),
    "SmolLM2-360M": _llama(960, 32, 15, 5, 2560, 49_152),
    "Qwen2.5-0.5B": _llama(896, 24, 14, 2, 4864, 151_936, model_type="qwen2"),
    "Llama-3.2-1B": _llama(2048, 16, 32, 8, 8192, 128_256),
    "Llama-3.2-3B": _llama(3072, 28, 24, 8, 8192, 128_256),
    "CodeLlama-7B": _llama(4096, 32, 32, 32, 11_008, 32_016, tie_word_embeddings=False),
}

# What docs/gpu.md has measured of one H200 (one session, a vocabulary of 32,016, responses of 128 tokens, AdamW, a
# reference in fp32): model, whether layers are computed again, GiB at the peak of an iteration.
MEASURED: tuple[tuple[str, dict[str, Any], bool, float], ...] = (
    ("6.7B", MODELS["CodeLlama-7B"], True, 128.4),
    ("1.1B", _llama(2048, 22, 32, 4, 5632, 32_016, tie_word_embeddings=False), False, 32.0),
    ("30M", _llama(384, 8, 6, 6, 1408, 32_016, tie_word_embeddings=False), False, 3.0),
)
PROMPTS, RESPONSE = range(40, 160), 128  # tokens there


@dataclass(frozen=True)
class Way:
    """A way to train a model.

    Attributes:
        label: what is trained.
        strategies: those of trainer.strategy that go with it.
        rank: of an adapter; 0: all weights are trained.
        optimizer: trainer.optimizer.
        parks: trainer.park_reference.
    """

    label: str
    strategies: tuple[str, ...]
    rank: int = 0
    optimizer: str = "adamw"
    parks: bool = False


WAYS = (
    Way("all weights", (DDP, FSDP)),
    Way("the same, 8-bit", (DDP,), optimizer="adamw_8bit", parks=True),
    Way("adapters", (DDP, FSDP), rank=16),
)


def shape_of(sizes: Mapping[str, Any]) -> Shape:
    """The shape of a model with this config."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(**sizes)
    with torch.device("meta"):
        return Shape.of(AutoModelForCausalLM.from_config(config))


def peak(shape: Shape, way: Way, devices: int, strategy: str, rows: int) -> int:
    """Bytes that each device holds at most in warm-up and ReFT of the paper's size.

    The schema's defaults are the paper's for 7B: 32 rollouts, prompts of up to 300 tokens and responses of up to 400,
    all as long as they may be; `rows` are decoded at once.
    """
    config = Config()
    trainer = replace(config.trainer, decode_batch=rows, tokens_per_micro_batch=TOKENS, devices=devices)
    trainer = replace(trainer, optimizer=way.optimizer, park_reference=way.parks, strategy=strategy)
    config = replace(config, trainer=trainer, model=replace(config.model, gradient_checkpointing=True))
    shape = shape.with_adapter(way.rank) if way.rank else shape
    found = supposed(config, shape, "cuda", "bf16", rows * devices)
    longest = config.ppo.max_prompt_tokens, config.ppo.max_new_tokens
    return largest(phases(found, works(config, [longest], None), at_most=True)).size


def peak_of_iteration(shape: Shape, *, checkpointing: bool) -> int:
    """What the formula says of what docs/gpu.md has measured."""
    config = Config()
    model = replace(config.model, gradient_checkpointing=checkpointing)
    config = replace(config, model=model, ppo=replace(config.ppo, max_new_tokens=RESPONSE))
    found = phases(
        supposed(config, shape, "cuda", "bf16", config.trainer.decode_batch),
        works(config, [(prompt, RESPONSE) for prompt in PROMPTS], None),
    )
    of_iteration = [phase for phase in found if phase.stage == found[-1].stage and phase.name != "evaluating"]
    return largest(of_iteration).size + (FP32 - 2) * shape.matrices  # the reference, which was in fp32


def smallest(size: int) -> int | None:
    """The GB of the smallest GPU that has room for so many bytes; None where none has."""
    return next((sold for sold, there in GPUS.items() if size <= FILLED * there * GIB), None)


def table() -> str:
    """What fits where, in Markdown."""
    columns = [(DDP, 1), *((strategy, devices) for strategy in (DDP, FSDP) for devices in DEVICES if devices > 1)]
    heads = ("1 GPU" if devices == 1 else f"{devices}, {strategy}" for strategy, devices in columns)
    rows = []
    for name, sizes in MODELS.items():
        shape = shape_of(sizes)
        for way in WAYS:
            cells = (_cell(shape, way, devices, strategy) for strategy, devices in columns)
            rows.append((name if way is WAYS[0] else "", way.label, *cells))
    return _markdown(("model", "trained", *heads), rows)


def measured() -> str:
    """What was measured beside what the formula says of it, in Markdown."""
    return _markdown(
        ("model", "measured, GiB", "by the formula"),
        [
            (name, f"{found:.1f}", f"{peak_of_iteration(shape_of(sizes), checkpointing=checkpointing) / GIB:.1f}")
            for name, sizes, checkpointing, found in MEASURED
        ],
    )


def renewed(page: str) -> str:
    """The text of docs/scale.md with both as they are today."""
    before, _, between, _, after = page.split(MARK)
    return f"{before}{MARK}\n{table()}\n{MARK}{between}{MARK}\n{measured()}\n{MARK}{after}"


def _cell(shape: Shape, way: Way, devices: int, strategy: str) -> str:
    if strategy not in way.strategies:
        return ""
    sizes = [peak(shape, way, devices, strategy, rows) for rows in ROWS]
    size = min(sizes, key=lambda size: smallest(size) or math.inf)
    return f"{smallest(size) or 'none'} ({size / GIB:.{1 if size < 10 * GIB else 0}f})"


def _markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (heads, ["---"] * len(heads), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"wrote {PAGE}")
