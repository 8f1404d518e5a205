"""Tokenizers trained on the spot, special tokens, and the seam between prompt and completion."""

from __future__ import annotations

import random

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from reft_lab.errors import BadInput
from reft_lab.policy.settings import ModelConfig, ScratchConfig
from reft_lab.policy.tokenizer import Codec, set_special_tokens, train_tokenizer
from tests.small_models import make_tokenizer

TEXTS = [
    "Question:\nSam had x0 apples. He ate x1.\nAnswer reasoning:\ndef solution(x0=17, x1=2):\n    left = x0 - x1\n"
    "    return left",
    "Ann bought 1,250 pens for $3.50 each.",
]
STRANGE = [
    "",
    " ",
    "  two  spaces\t\ttabs\r\n",
    "naïve café – 50 % “quoted” 数学 🙂",
    "x12345 9876543210 __init__(self)",
    "\n\n    \n",
]


@pytest.mark.parametrize("text", TEXTS + STRANGE)
def test_any_text_comes_back_exactly(text, tmp_path):
    tokenizer = train_tokenizer(TEXTS, ScratchConfig())
    codec = Codec(tokenizer)
    assert codec.read([[]], codec.completions([""], [text])) == [text]
    assert tokenizer.unk_token_id not in tokenizer(text)["input_ids"]
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert (again.eos_token, again.pad_token) == ("<eos>", "<pad>")


def test_training_words_are_single_tokens_and_the_limit_holds():
    words = train_tokenizer(TEXTS, ScratchConfig(min_count=1))
    assert words.tokenize(" apples") == ["Ġapples"]
    assert len(words.tokenize(" appless")) > 1
    assert len(train_tokenizer(TEXTS, ScratchConfig(vocabulary=265, min_count=1))) == 265
    rare_out = train_tokenizer(TEXTS, ScratchConfig(min_count=2))
    assert len(rare_out.tokenize(" apples")) > 1


def test_rare_names_are_spelled_from_their_parts():
    texts = [f"\n    num_apples_{who} = 1\n    n_left_{who} = 2" for who in ("sam", "ann", "joe")]
    tokenizer = train_tokenizer(texts, ScratchConfig(min_count=3))
    assert tokenizer.tokenize("num_apples_ann")[:2] == ["num_", "apples_"]
    assert "apples_" in tokenizer.get_vocab()
    assert "num_apples_sam" not in tokenizer.get_vocab()


def test_prompt_tokens_do_not_depend_on_what_follows():
    codec = Codec(train_tokenizer(TEXTS, ScratchConfig()))
    prompt = codec.prompts(["def sol"])[0]
    (completion,) = codec.completions(["def sol"], ["ution(x0=1)"])
    assert completion[-1] == codec.eos_id
    assert codec.read([prompt], [completion]) == ["ution(x0=1)"]
    assert codec.read([[]], [prompt + completion]) == ["def solution(x0=1)"]


def test_an_eos_that_the_tokenizer_appends_is_not_part_of_a_prompt():
    from tokenizers.processors import TemplateProcessing

    tokenizer = make_tokenizer(TEXTS, 400, ["<s>", "</s>"], bos_token="<s>", eos_token="</s>")
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    set_special_tokens(tokenizer, ModelConfig(path="somewhere"))
    codec = Codec(tokenizer)
    prompt = codec.prompts(["Sam had"])[0]
    assert prompt[0] == 0
    assert prompt[-1] != 1
    assert codec.completions(["Sam had"], [" pens"])[0][-1] == 1


def test_the_beginning_of_sequence_is_a_choice():
    from tokenizers.processors import TemplateProcessing

    tokenizer = make_tokenizer(TEXTS, 400, ["<s>", "</s>"], bos_token="<s>", eos_token="</s>", pad_token="</s>")
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    (begun,), (bare,) = (Codec(tokenizer, begin_of_sequence=on).prompts(["Sam had"]) for on in (True, False))
    assert begun == [0, *bare]
    assert 0 not in bare


def test_special_tokens_come_from_the_tokenizer_then_from_the_config():
    bare = make_tokenizer(TEXTS, 400, ["<other>", "<pad>", "</s>"])
    set_special_tokens(bare, ModelConfig(path="somewhere", pad_token="<pad>", eos_token="</s>"))
    assert (bare.pad_token_id, bare.eos_token_id) == (1, 2)

    own = make_tokenizer(TEXTS, 400, ["</s>", "<mine>"], eos_token="<mine>")
    set_special_tokens(own, ModelConfig(path="somewhere", eos_token="</s>"))
    assert own.eos_token == "<mine>"
    assert own.pad_token == "<mine>"  # masked wherever it pads


def test_unusable_special_tokens_are_one_sentence():
    with pytest.raises(BadInput, match=r"model\.eos_token=TOKEN"):
        set_special_tokens(make_tokenizer(TEXTS, 400, ["<pad>"]), ModelConfig(path="somewhere"))
    with pytest.raises(BadInput, match=r"model\.pad_token=<pat> is not in the vocabulary"):
        set_special_tokens(
            make_tokenizer(TEXTS, 400, ["</s>"], eos_token="</s>"), ModelConfig(path="somewhere", pad_token="<pat>")
        )


def sentencepiece_like() -> PreTrainedTokenizerFast:
    """As Llama's: a word begins with ▁, which goes at the start of a text; what is unknown is spelled in bytes."""
    special = {
        token: i for i, token in enumerate(["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))])
    }
    words = ["▁", *"abcdefghijklmnopqrstuvwxyz", "▁t", "▁th", "▁the", "e▁"]
    vocabulary = special | {word: i for i, word in enumerate(words, start=len(special))}
    merges = [("▁", "t"), ("▁t", "h"), ("▁th", "e")]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", pad_token="</s>", unk_token="<unk>")


BYTE_LEVEL = make_tokenizer(TEXTS, 300, ["<pad>", "<eos>"], pad_token="<pad>", eos_token="<eos>")
OWN = train_tokenizer(TEXTS, ScratchConfig(min_count=1))
TOKENIZERS = {"byte_level": BYTE_LEVEL, "sentencepiece": sentencepiece_like(), "own": OWN}


@pytest.mark.parametrize("name", TOKENIZERS)
def test_the_pieces_of_a_response_join_to_its_text(name):
    codec = Codec(TOKENIZERS[name])
    texts = [*TEXTS, *STRANGE, "the tea the", " the"]
    (prompt,) = codec.prompts(["the\n"])
    for text, ids in zip(texts, codec.completions(["the\n"] * len(texts), texts), strict=True):
        pieces = codec.pieces(prompt, ids)
        assert len(pieces) == len(ids)
        assert "".join(pieces) == text == codec.read([prompt], [ids])[0]
        assert pieces[-1] == ""  # end-of-sequence is no text
    assert codec.pieces(prompt, []) == []


@pytest.mark.parametrize("name", TOKENIZERS)
def test_pieces_join_whatever_a_policy_writes(name):
    """Bytes that are no character, special tokens in the middle, the end cut off within a character."""
    codec = Codec(TOKENIZERS[name])
    draw = random.Random(0)
    for length in range(1, 60):
        ids = [draw.randrange(len(codec.tokenizer)) for _ in range(length)]
        (prompt,) = codec.prompts(["the\n"])
        assert "".join(codec.pieces(prompt, ids)) == codec.read([prompt], [ids])[0]


def test_a_piece_is_what_its_token_says():
    own, llama = Codec(TOKENIZERS["own"]), Codec(TOKENIZERS["sentencepiece"])
    (a,), (prompt,) = own.prompts(["a"]), llama.prompts(["a"])
    assert own.pieces(a, own.completions(["a"], [" apples x0"])[0]) == [" apples", " x0", ""]
    assert llama.pieces(prompt, llama.completions(["a"], [" the the"])[0]) == [" the", " the", ""]
    (euro,) = llama.completions(["a"], ["€"])
    assert llama.pieces(prompt, euro) == ["", "", "€", ""]  # three bytes, the end
