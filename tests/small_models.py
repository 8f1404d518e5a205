"""Small models with random weights, made on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

# What the config of each needs beside what all have.
OWN: dict[str, dict[str, Any]] = {
    "llama": {"intermediate_size": 48},
    "opt": {"word_embed_proj_dim": 32, "ffn_dim": 48},
    "gpt2": {},
    "codegen": {"rotary_dim": 4, "n_ctx": 512},
}
FAMILIES = tuple(OWN)

# Shorter than the sequences that tests read.
WINDOW = 6

# Models by transformers' name for their type, or a name of ours with the type in it; what differs from SHAPE.
KINDS: dict[str, dict[str, Any]] = {
    "llama": {},
    "llama, all biases and wide heads": {"attention_bias": True, "mlp_bias": True, "head_dim": 16},
    "llama, one key head": {"num_key_value_heads": 1},
    "llama, one layer": {"num_hidden_layers": 1},
    "llama, yarn rope": {"rope_scaling": {"rope_type": "yarn", "factor": 8.0}},
    "gpt2": {},
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "gpt_neox": {},
    "gpt_bigcode": {},
    "mistral": {"sliding_window": WINDOW},
    "mixtral": {"num_local_experts": 4},
    "qwen2": {},
    "qwen2, windows in two layers": {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 1},
    "qwen3": {"head_dim": 16},
    "gemma": {"head_dim": 8},
    "gemma3_text": {"head_dim": 8, "sliding_window": WINDOW},
    "phi": {},
    "phi3": {"sliding_window": WINDOW},
    "olmo2": {},
    "starcoder2": {"sliding_window": WINDOW},
    "granite": {},
    "cohere": {},
    "cohere2": {"sliding_window": WINDOW},
    "smollm3": {},
    "glm4": {"head_dim": 8},
    "codegen": {"rotary_dim": 4},
    "gptj": {"rotary_dim": 4},
    "gemma2": {"head_dim": 8, "sliding_window": WINDOW},
    "gpt_oss": {"head_dim": 8, "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": WINDOW},
    "bloom": {},
    "mpt": {},
    "falcon": {"alibi": True},
    "stablelm": {},
}
# Those whose attention cannot be packed: its scores are capped, or have a sink or a bias by distance, or it does not go
# through transformers' attention interface.
UNPACKED = ("codegen", "gptj", "gemma2", "gpt_oss", "bloom", "mpt", "falcon", "stablelm")
SHAPE = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def make_kind(name: str, **changes: Any) -> PreTrainedModel:
    """One of KINDS, with every weight large enough to tell, norms and biases among them."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(name.split(",")[0], **(SHAPE | KINDS[name] | changes))
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0.0, 0.15)
            else:
                parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return model


def make_model(family: str, vocabulary: int = 61, seed: int = 0) -> PreTrainedModel:
    """A model of `family` with weights large enough that its greedy choices are not ties."""
    torch.manual_seed(seed)
    deviation = "init_std" if family == "opt" else "initializer_range"
    config = AutoConfig.for_model(
        family,
        vocab_size=vocabulary,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        **{deviation: 0.3},
        **OWN[family],
    )
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config).eval()
    return model


def make_tokenizer(texts: list[str], vocabulary: int, special: list[str], **names: str) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer trained on `texts`; `special` tokens come first, `names` say which serve as what."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def save_checkpoint(
    folder: Path, family: str, texts: list[str], special: list[str], vocabulary: int | None = None, **names: str
) -> Path:
    """A folder as `save_pretrained` writes it, its embedding `vocabulary` wide (the tokenizer's size if not given)."""
    tokenizer = make_tokenizer(texts, 600, special, **names)
    make_model(family, vocabulary or len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
