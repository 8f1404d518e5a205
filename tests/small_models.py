"""Small checkpoints with random weights, made on the spot: one for each model family the lab supports."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CodeGenConfig,
    CodeGenForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

FAMILIES = ("llama", "opt", "gpt2", "codegen")


def make_model(family: str, vocabulary: int = 61, seed: int = 0) -> PreTrainedModel:
    """A model of `family` with weights large enough that its greedy choices are not ties."""
    torch.manual_seed(seed)
    if family == "llama":
        model: PreTrainedModel = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=vocabulary,
                hidden_size=32,
                intermediate_size=48,
                num_hidden_layers=2,
                num_attention_heads=4,
                max_position_embeddings=512,
                initializer_range=0.3,
            )
        )
    elif family == "opt":
        model = OPTForCausalLM(
            OPTConfig(
                vocab_size=vocabulary,
                hidden_size=32,
                word_embed_proj_dim=32,
                ffn_dim=48,
                num_hidden_layers=2,
                num_attention_heads=4,
                max_position_embeddings=512,
                init_std=0.3,
            )
        )
    elif family == "gpt2":
        model = GPT2LMHeadModel(
            GPT2Config(vocab_size=vocabulary, n_embd=32, n_layer=2, n_head=4, n_positions=512, initializer_range=0.3)
        )
    else:
        model = CodeGenForCausalLM(
            CodeGenConfig(
                vocab_size=vocabulary,
                n_embd=32,
                n_layer=2,
                n_head=4,
                rotary_dim=4,
                n_positions=512,
                n_ctx=512,
                initializer_range=0.3,
            )
        )
    return model.eval()


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
