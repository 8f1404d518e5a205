"""Shapes of real models, for models with random weights."""

from __future__ import annotations

from typing import Any


def _sizes(hidden: int, layers: int, heads: int, kv_heads: int, mlp: int, vocabulary: int, *, tied: bool) -> Any:
    return {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "intermediate_size": mlp,
        "vocab_size": vocabulary,
        "tie_word_embeddings": tied,
    }


# What a LlamaConfig takes: Llama's own, TinyLlama's, SmolLM2-135M's and a Llama of 30 million weights; and two layers
# of little more than nothing, which show that a benchmark runs.
SIZES: dict[str, dict[str, Any]] = {
    "small": _sizes(48, 2, 3, 1, 96, 2048, tied=True),
    "30M": _sizes(384, 8, 6, 6, 1408, 32_016, tied=False),
    "135M": _sizes(576, 30, 9, 3, 1536, 49_152, tied=True),
    "1.1B": _sizes(2048, 22, 32, 4, 5632, 32_016, tied=False),
    "6.7B": _sizes(4096, 32, 32, 32, 11_008, 32_016, tied=False),
}


def make(name: str, **others: Any) -> Any:
    """A LlamaForCausalLM with random weights, always the same on a kind of device.

    Args:
        name: of SIZES.
        others: what its config takes beside, or in their place.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SIZES[name] | others))
