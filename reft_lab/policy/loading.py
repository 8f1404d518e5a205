"""From a model config to tokenizer and language model."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reft_lab.errors import BadInput, first_sentence, foreign_errors
from reft_lab.hub import obstacle
from reft_lab.policy.adapter_files import adapter_folder, whole_model
from reft_lab.policy.gguf import check_gguf, gguf_config, gguf_tokenizer, load_gguf
from reft_lab.policy.model_files import check_files, shapes, weight_files
from reft_lab.policy.refusal import cannot_load
from reft_lab.policy.settings import ModelConfig, ScratchConfig, is_gguf
from reft_lab.policy.tokenizer import set_special_tokens, train_tokenizer
from reft_lab.policy.whole import check_finite, check_loaded, check_names
from reft_lab.randomness import torch_seed

if TYPE_CHECKING:
    from transformers import LlamaConfig, PreTrainedModel, PreTrainedTokenizerBase

TOKENIZER = "tokenizer_config.json"
ORDINARY_TEXT = "Tom has 3 pens and 4 cups. How many things does he have in total?"


def load(
    model: ModelConfig, training_texts: Iterable[str], seed: int
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The base model in fp32 and its tokenizer: `load_tokenizer` and `load_model`."""
    tokenizer = load_tokenizer(model, training_texts)
    return load_model(model, tokenizer, seed), tokenizer


def load_tokenizer(model: ModelConfig, training_texts: Iterable[str]) -> PreTrainedTokenizerBase:
    """The tokenizer of `model.path`, or one made from scratch.

    Args:
        model: which model.
        training_texts: what a tokenizer made from scratch is trained on; unused with `model.path`.

    Raises:
        BadInput: the model has no usable tokenizer.
    """
    _be_quiet()
    return train_tokenizer(training_texts, model.scratch) if model.path is None else _tokenizer(model)


def load_model(
    model: ModelConfig, tokenizer: PreTrainedTokenizerBase, seed: int, end_ids: Iterable[int] = ()
) -> PreTrainedModel:
    """The base model in fp32, from a folder or the hub (`model.path`), or made from scratch; with the adapter that
    `model.lora` asks for, and with that in the folder of `model.path`, where there is one.

    Args:
        model: which model.
        tokenizer: its tokenizer.
        seed: seed of the weights of a model made from scratch.
        end_ids: tokens that end a response; what is saved says so, beside those that the model came with.

    Raises:
        BadInput: the model cannot be had, or does not go with the tokenizer.
    """
    from reft_lab.policy.adapters import with_adapter
    from reft_lab.policy.family import check_family
    from reft_lab.policy.model import checkpoint_layers

    _be_quiet()
    if model.path is None:
        lm = make_llama(model.scratch, tokenizer, seed)
    else:
        lm = _pretrained(whole_model(model), "weights")
        _check_rows(model, tokenizer, lm.get_input_embeddings().weight.shape[0])
    lm.config.pad_token_id = tokenizer.pad_token_id
    lm.config.eos_token_id = tokenizer.eos_token_id
    if lm.generation_config is not None:
        lm.generation_config.pad_token_id = tokenizer.pad_token_id
        ends = tuple(dict.fromkeys([*end_ids, *_ends(tokenizer, lm.generation_config.eos_token_id)]))
        lm.generation_config.eos_token_id = list(ends) if len(ends) > 1 else ends[0]
    check_family(lm)
    if model.gradient_checkpointing:
        checkpoint_layers(lm)
    return with_adapter(lm, model, seed)


def end_ids(model: ModelConfig, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """The tokens that end a response: the tokenizer's end-of-sequence token, which training appends, and what the
    model's generation_config.json names beside it, or its config.json where there is no such file.

    Of these only special ones count, which no text is made of: a word among them would end gold reasoning half-way.
    """
    if model.path is None:
        return (tokenizer.eos_token_id,)
    model = whole_model(model)
    named = _generation(model) or _pretrained(model, "config").get_text_config()
    return _ends(tokenizer, getattr(named, "eos_token_id", None))


def check_ids(model: ModelConfig, ids: Iterable[int]) -> None:
    """See that the model of `model.path` has an embedding for each of these tokens. No weights are read.

    Raises:
        BadInput: it has none for some.
    """
    rows = getattr(_pretrained(whole_model(model), "config").get_text_config(), "vocab_size", None)
    unknown = sorted(set(ids) - set(range(rows or 0)))
    if rows and unknown:
        raise BadInput(
            f"the chat template of {model.path} writes tokens that the model has no embedding for ({unknown[0]}, and "
            f"it has {rows}); use the tokenizer the model came with, or leave out cot.prompt=chat."
        )


def _ends(tokenizer: PreTrainedTokenizerBase, named: int | list[int] | None) -> tuple[int, ...]:
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    others = [number for number in (named if isinstance(named, list) else [named]) if number in special]
    return tuple(dict.fromkeys([tokenizer.eos_token_id, *others]))


def make_llama(scratch: ScratchConfig, tokenizer: PreTrainedTokenizerBase, seed: int) -> PreTrainedModel:
    """A small Llama with random weights that depend on `seed` alone."""
    import torch
    from transformers import LlamaForCausalLM

    config = _llama(scratch, len(tokenizer))
    config.eos_token_id, config.pad_token_id = tokenizer.eos_token_id, tokenizer.pad_token_id
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "initial weights"))
        return LlamaForCausalLM(config)


def _llama(scratch: ScratchConfig, vocabulary: int) -> LlamaConfig:
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=scratch.hidden_size,
        intermediate_size=scratch.mlp_size,
        num_hidden_layers=scratch.layers,
        num_attention_heads=scratch.heads,
        num_key_value_heads=scratch.heads,
        max_position_embeddings=scratch.max_positions,
        tie_word_embeddings=True,
        bos_token_id=None,
    )


def outline(model: ModelConfig) -> PreTrainedModel:
    """The base model by its config alone, which `check_source` has seen: names and shapes without numbers (meta)."""
    import torch
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    scratch = model.scratch
    config = _llama(scratch, scratch.vocabulary) if model.path is None else _pretrained(whole_model(model), "config")
    kind: Any = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    with torch.device("meta"):
        lm: PreTrainedModel = kind(config)
    return lm


def check_source(model: ModelConfig) -> None:
    """Fail early, in seconds, when the model of `model.path` cannot be had or is not whole.

    Config and tokenizer are read. Of weights that are on this machine, names and shapes are compared with the config;
    they themselves are read by `load` alone.

    Raises:
        BadInput: with the id, what was tried, and what to do.
    """
    if model.path is None:
        return
    _be_quiet()
    if adapter_folder(model) is not None:
        check_source(whole_model(model))
        _tokenizer(model)
        return
    folder, is_folder = model.place
    if is_folder:
        _check_place(folder)
    config = _pretrained(model, "config")
    _check_kind(str(model.path), config)
    stored = folder if is_folder else _cached(model)
    if stored is not None and not is_folder:
        check_files(stored, whole=False)
    tokenizer = _tokenizer(model)
    if (
        stored is not None
        and not is_gguf(stored)
        and (files := weight_files(stored))
        and all(file.exists() for file in files)
    ):
        check_names(str(model.path), config, shapes(stored))
    if rows := getattr(config.get_text_config(), "vocab_size", None):
        _check_rows(model, tokenizer, rows)


def _check_kind(source: str, config: Any) -> None:
    """By its config, whether the model is one that continues a text, and can be trained and sampled here."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    from reft_lab.policy.family import check_memory

    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING or getattr(config, "is_encoder_decoder", False):
        raise BadInput(
            f"{source} is a model of type {config.model_type}, which does not continue a text by itself; choose a "
            "causal language model."
        )
    if quantised := getattr(config, "quantization_config", None):
        kind = quantised.get("quant_method") if isinstance(quantised, dict) else None
        raise BadInput(
            f"the weights of {source} are quantised{f' ({kind})' if kind else ''} and cannot be trained; take the "
            "model that they were made from."
        )
    check_memory(config)


def _tokenizer(model: ModelConfig) -> PreTrainedTokenizerBase:
    """The tokenizer of `model.path` with the special tokens that it needs.

    Raises:
        BadInput: it cannot be had, or knows no text.
    """
    folder = adapter_folder(model)
    has_none = folder is not None and not (folder / TOKENIZER).is_file()
    tokenizer: PreTrainedTokenizerBase = _pretrained(whole_model(model) if has_none else model, "tokenizer")
    set_special_tokens(tokenizer, model)
    with foreign_errors(lambda error: f"the tokenizer of {model.path} cannot encode text ({first_sentence(error)})."):
        known = set(tokenizer(ORDINARY_TEXT, add_special_tokens=False)["input_ids"]) - set(tokenizer.all_special_ids)
    if not known:  # without its files, transformers makes one that has special tokens and nothing else
        raise BadInput(
            f"the tokenizer of {model.path} knows no text, as where its files are missing (tokenizer.json, "
            "tokenizer.model, or vocab.json and merges.txt); copy them from where the model came from."
        )
    return tokenizer


def _check_rows(model: ModelConfig, tokenizer: PreTrainedTokenizerBase, rows: int) -> None:
    """Every token that text can be made of, and every special one in use, has a row in the embedding. Signs that a
    tokenizer's class adds by itself need none (CodeLLaMA's class adds its signs for infilling to any vocabulary, that
    of Qwen 2 its own sign for what is unknown).

    Raises:
        BadInput: some have none.
    """
    used = (*tokenizer("", add_special_tokens=True)["input_ids"], tokenizer.eos_token_id, tokenizer.pad_token_id)
    needed = max(tokenizer.vocab_size, *(1 + id_ for id_ in used))
    if needed > rows:
        raise BadInput(
            f"the tokenizer of {model.path} has {needed} tokens, more than the {rows} the model knows; "
            "use the tokenizer the model came with."
        )


def _check_place(place: Path) -> None:
    """The files of a folder, or a GGUF file."""
    (check_gguf if is_gguf(place) else check_files)(place)


def _cached(model: ModelConfig) -> Path | None:
    """The folder in the hub's cache on this machine, None where there is none."""
    import huggingface_hub

    file = huggingface_hub.try_to_load_from_cache(str(model.path), "config.json", revision=model.revision or "main")
    return Path(file).parent if isinstance(file, str) else None


def _generation(model: ModelConfig) -> Any:
    """The settings that the model came with for writing texts; None where it came with none."""
    folder, is_folder = model.place
    if is_gguf(folder) or (is_folder and not (folder / "generation_config.json").exists()):
        return None
    try:
        return _pretrained(model, "generation settings")
    except BadInput:
        if is_folder:
            raise
        return None  # the hub has none, or cannot be asked


def _pretrained(model: ModelConfig, part: str) -> Any:
    path = str(model.path)
    folder, is_folder = model.place
    packed = is_folder and is_gguf(folder)
    if is_folder and part != "config" and adapter_folder(model) is None:
        _check_place(folder)
    why_not = None if is_folder else obstacle("models", path)
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    source = str(folder.parent if packed else folder) if is_folder else path
    options: dict[str, Any] = {"revision": model.revision or "main", "local_files_only": why_not is not None}
    options["trust_remote_code"] = False  # else transformers asks, where a model brings code of its own

    def sentence(error: BaseException) -> str:
        return cannot_load(part, path, folder if is_folder else None, error, why_not)

    with foreign_errors(sentence):
        if part == "config":
            if packed:
                return gguf_config(folder)
            return AutoConfig.from_pretrained(source, **options)
        if part == "generation settings":
            del options["trust_remote_code"]
            return GenerationConfig.from_pretrained(source, **options)
        if part == "tokenizer":
            options["padding_side"] = "left"
            if packed:
                return gguf_tokenizer(folder, **options)
            return AutoTokenizer.from_pretrained(source, **options)
        # Some models of the hub (Galactica) have pickles only; of these, torch then takes nothing but tensors.
        options |= {"use_safetensors": True if is_folder else None, "weights_only": True}
        told = {"output_loading_info": True, "ignore_mismatched_sizes": True}  # check_loaded names them
        if packed:
            lm, info = load_gguf(folder, **told)
        else:
            loaded: Any = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, **options, **told)
            lm, info = loaded
    check_loaded(path, info)
    check_finite(path, lm)
    return lm


def _be_quiet() -> None:
    import logging as of_python

    from transformers.utils import logging

    of_python.getLogger("bitsandbytes").setLevel(of_python.ERROR)  # which peft loads where it is there
    logging.disable_progress_bar()  # a bar for every shard that is read or written would drown the run's own
    logging.set_verbosity_error()
