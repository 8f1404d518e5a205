"""From a model config to tokenizer and language model."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from reft_lab.config.inputs import ModelConfig, ScratchConfig
from reft_lab.errors import BadInput
from reft_lab.hub import obstacle
from reft_lab.policy.tokenizer import set_special_tokens, train_tokenizer
from reft_lab.randomness import torch_seed

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load(
    model: ModelConfig, training_texts: Iterable[str], seed: int
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The base model in fp32 and its tokenizer, from a folder or the hub (`model.path`), or made from scratch.

    Args:
        model: which model.
        training_texts: what a tokenizer made from scratch is trained on; unused with `model.path`.
        seed: seed of the weights of a model made from scratch.

    Raises:
        BadInput: the model cannot be had, or has no usable tokenizer.
    """
    from transformers.utils import logging

    from reft_lab.policy.model import check_head

    logging.disable_progress_bar()  # a bar for every shard that is read or written would drown the run's own
    logging.set_verbosity_error()
    if model.path is None:
        tokenizer = train_tokenizer(training_texts, model.scratch)
        lm = make_llama(model.scratch, tokenizer, seed)
    else:
        tokenizer = _pretrained(model, "tokenizer")
        set_special_tokens(tokenizer, model)
        lm = _pretrained(model, "weights")
        if len(tokenizer) > lm.get_input_embeddings().weight.shape[0]:
            raise BadInput(
                f"the tokenizer of {model.path} has {len(tokenizer)} tokens, more than the "
                f"{lm.get_input_embeddings().weight.shape[0]} the model knows; use the tokenizer the model came with."
            )
    lm.config.pad_token_id = tokenizer.pad_token_id
    lm.config.eos_token_id = tokenizer.eos_token_id
    if lm.generation_config is not None:
        lm.generation_config.pad_token_id = tokenizer.pad_token_id
        lm.generation_config.eos_token_id = tokenizer.eos_token_id
    check_head(lm)
    if model.gradient_checkpointing:
        lm.activation_checkpointing_enable()
    return lm, tokenizer


def make_llama(scratch: ScratchConfig, tokenizer: PreTrainedTokenizerBase, seed: int) -> PreTrainedModel:
    """A small Llama with random weights that depend on `seed` alone."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=scratch.hidden_size,
        intermediate_size=scratch.mlp_size,
        num_hidden_layers=scratch.layers,
        num_attention_heads=scratch.heads,
        num_key_value_heads=scratch.heads,
        max_position_embeddings=scratch.max_positions,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "initial weights"))
        return LlamaForCausalLM(config)


def check_source(model: ModelConfig) -> None:
    """Fail early, in seconds, when the model of `model.path` cannot be had: read its config and nothing more.

    Raises:
        BadInput: with the id, what was tried, and what to do.
    """
    if model.path is not None:
        _pretrained(model, "config")


def _pretrained(model: ModelConfig, part: str) -> Any:
    path = str(model.path)
    folder = Path(path).expanduser()
    is_folder = folder.exists() or path.startswith((".", "/", "~"))
    if is_folder and not (folder / "config.json").is_file():
        raise BadInput(
            f"model.path={path} is not a model folder (it holds no config.json); "
            "give a folder written by save_pretrained, or a hub id, as model.path=DIR_OR_HUB_ID."
        )
    if is_folder and not any(folder.glob("*.safetensors")):
        raise BadInput(
            f"model.path={path} holds no weights as safetensors, and a pickle could run what its author likes; load it "
            "once with transformers, and write it with save_pretrained."
        )
    why_not = None if is_folder else obstacle("models", path)
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    source = str(folder) if is_folder else path
    options: dict[str, Any] = {"revision": model.revision or "main", "local_files_only": why_not is not None}
    options["trust_remote_code"] = False  # else transformers asks, where a model brings code of its own
    try:
        if part == "config":
            return AutoConfig.from_pretrained(source, **options)
        if part == "tokenizer":
            return AutoTokenizer.from_pretrained(source, padding_side="left", **options)
        # Some models of the hub (Galactica) have pickles only; of these, torch then takes nothing but tensors.
        kinds = {"use_safetensors": True if is_folder else None, "weights_only": True}
        return AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, **kinds, **options)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, UnpicklingError) as error:
        if is_folder:
            tried = f"from this folder: {_first_sentence(error)}"
        else:
            tried = f"{why_not}, and this machine's cache does not hold it" if why_not else _first_sentence(error)
        raise BadInput(
            f"cannot load the {part} of model {path} ({tried}); check the name, the network and your access to it, "
            "or give a folder or another hub id as model.path=DIR_OR_HUB_ID."
        ) from error


def _first_sentence(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    for end in (". ", " (Request ID"):
        text = text.split(end)[0]
    return text[:160].rstrip(". ")
