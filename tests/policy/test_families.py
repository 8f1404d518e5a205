"""Families of models: what is written, trained and saved is what transformers' own models write, compute and load.

Log-probabilities, values and gradients of all of them are held against transformers' own in test_attention.py.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedTokenizerBase

from reft_lab.policy import loading, saving
from reft_lab.policy.family import check_family
from reft_lab.policy.model import Policy
from reft_lab.policy.sampling import sample
from reft_lab.policy.scoring import score
from reft_lab.policy.settings import ModelConfig
from tests.small_models import KINDS, WINDOW, make_kind, make_tokenizer

ENDS, PAD, CAP = (7, 31), 0, 14
PROMPTS = [[11, 12, 13], [20, 5, 9, 40, 33, 21, 8, 14, 60], [17]]  # padded on the left, one longer than the windows
TEXTS = ["Tom has 3 pens and buys 4 more."]

SAVED = {  # kinds, and whether the output embedding is the input's
    "llama": True,
    "llama, all biases and wide heads": False,
    "smollm3": True,
    "qwen2": True,
    "qwen3": False,
    "gemma2": True,
    "gemma3_text": True,
    "mistral": False,
    "phi3": False,
    "olmo2": False,
    "gpt_neox": False,
    "starcoder2": True,
    "opt": True,
    "gpt2": True,
    "codegen": False,
    "granite": True,
    "cohere": True,
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_what_generate_writes(kind):
    """Token by token, beside others and padded, with windows of attention shorter than the text."""
    lm = make_kind(kind)
    plain = deepcopy(lm)
    check_family(lm)
    policy = Policy(lm, critic=False)
    sampled = sample(policy, PROMPTS, eos_id=ENDS, pad_id=PAD, max_new_tokens=CAP, batch_size=len(PROMPTS))
    for row, (prompt, response) in enumerate(zip(PROMPTS, sampled.lists(), strict=True)):
        ids = torch.tensor([prompt])
        options = {"max_new_tokens": CAP, "do_sample": False, "eos_token_id": list(ENDS), "pad_token_id": PAD}
        told = {"output_logits": True, "return_dict_in_generate": True}
        theirs = plain.generate(ids, attention_mask=torch.ones_like(ids), **options, **told)
        assert response == theirs.sequences[0, len(prompt) :].tolist()
        assert sampled.finished[row] == (response[-1] in ENDS)
        assert not set(ENDS) & set(response[:-1])
        expected = torch.cat(theirs.logits).log_softmax(-1)
        logprobs, entropies = sampled.logprobs[row, : len(response)], sampled.entropies[row, : len(response)]
        torch.testing.assert_close(logprobs, expected[range(len(response)), response], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(entropies, -(expected.exp() * expected).sum(-1), atol=1e-4, rtol=1e-4)
    assert sampled.mask.sum(1).max() > WINDOW


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    """With special tokens at odd places: no first one, no pad, an end among others, an end of turn behind all words."""
    made = make_tokenizer(TEXTS, 300, ["<x>", "<y>", "<end>"], eos_token="<end>")
    made.add_special_tokens({"additional_special_tokens": ["<turn>"]}, replace_extra_special_tokens=False)
    return made


def save_base(folder: Path, tokenizer: PreTrainedTokenizerBase, kind: str, ends: object, **changes) -> torch.nn.Module:
    """A model with more rows than tokens, in bf16 and in several files."""
    lm = make_kind(kind, vocab_size=len(tokenizer) + 9, bos_token_id=None, **changes).to(torch.bfloat16)
    if ends is not None:
        lm.generation_config = GenerationConfig(eos_token_id=ends)
    lm.save_pretrained(folder, max_shard_size="15KB")
    tokenizer.save_pretrained(folder)
    assert len(list(folder.glob("*.safetensors"))) > 1
    return lm


@pytest.mark.parametrize("kind", SAVED)
def test_what_is_loaded_trained_and_saved_is_the_model(tmp_path, tokenizer, kind):
    ends = [tokenizer.convert_tokens_to_ids(token) for token in ("<turn>", "<end>")]
    stored = save_base(tmp_path / "base", tokenizer, kind, ends, tie_word_embeddings=SAVED[kind])
    model = ModelConfig(path=str(tmp_path / "base"))
    loading.check_source(model)
    lm, tokens = loading.load(model, [], seed=0)
    assert tokens.eos_token == "<end>"
    assert tokens.pad_token == ("<|endoftext|>" if kind == "qwen2" else "<end>")  # its class brings a sign of its own
    for one, other in zip(lm.parameters(), stored.parameters(), strict=True):
        assert one.dtype == torch.float32
        assert torch.equal(one, other.float())
    tied = lm.get_input_embeddings().weight.data_ptr() == lm.get_output_embeddings().weight.data_ptr()
    assert tied == SAVED[kind]

    policy = Policy(lm)
    prompt, response = [11, 12, 13], [14, 15, len(tokenizer) - 1]
    score(policy, [prompt], [response], pad_id=0).logprobs.sum().backward()
    with torch.no_grad():
        for parameter in lm.parameters():
            parameter.add_(parameter.grad, alpha=0.01)
    saving.save(policy, tokens, tmp_path / "best", {})
    again = ModelConfig(path=str(tmp_path / "best"))
    loading.check_source(again)
    assert loading.end_ids(again, tokens) == loading.end_ids(model, tokens) == tuple(reversed(ends))
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "best")
    assert set(plain.generation_config.eos_token_id) == set(ends)
    assert not torch.equal(plain.get_output_embeddings().weight, stored.get_output_embeddings().weight.float())
    with torch.no_grad():
        logits = plain(torch.tensor([[*prompt, *response]])).logits[0, len(prompt) - 1 : -1]
        ours = score(policy, [prompt], [response], pad_id=0).logprobs
    torch.testing.assert_close(ours, logits.log_softmax(-1)[range(3), response], atol=1e-5, rtol=1e-5)


def test_tokens_that_end_a_response(tmp_path, tokenizer):
    """The tokenizer's own first; others where they are special, which words and rows without a token are not."""
    end, turn, word = (tokenizer.convert_tokens_to_ids(token) for token in ("<end>", "<turn>", "Tom"))
    for number, (named, expected) in enumerate(
        [
            (None, (end, turn)),  # no generation_config.json: what config.json names
            ([turn, word, end, len(tokenizer) + 3], (end, turn)),
            (end, (end,)),
            (turn, (end, turn)),
            (word, (end,)),
        ]
    ):
        folder = tmp_path / str(number)
        save_base(folder, tokenizer, "llama, one layer", named, eos_token_id=[end, turn])
        if named is None:
            (folder / "generation_config.json").unlink()
        model = ModelConfig(path=str(folder))
        lm, tokens = loading.load(model, [], seed=0)
        assert loading.end_ids(model, tokens) == expected
        assert lm.generation_config.eos_token_id == (list(expected) if len(expected) > 1 else end)
        assert lm.config.eos_token_id == end
    assert loading.end_ids(ModelConfig(), tokenizer) == (end,)
