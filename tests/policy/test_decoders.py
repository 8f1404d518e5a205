"""The lean decoder for Llama against the general one: same tokens, same log-probabilities, entropies and values."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterable

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import LlamaConfig, LlamaForCausalLM

from reft_lab.policy.model import Policy
from reft_lab.policy.sampling import Responses, sample
from reft_lab.policy.sampling.general import GeneralDecoder
from reft_lab.policy.sampling.llama import LlamaDecoder, serves
from reft_lab.policy.scoring import score
from reft_lab.randomness import generator, key, uniforms
from tests.small_models import make_model

EOS, PAD, CAP = 5, 0, 70  # the cap is beyond two blocks of the cache

VARIANTS = {
    "plain": {},
    "grouped queries": {"num_key_value_heads": 2},
    "one shared head": {"num_key_value_heads": 1},
    "biases": {"attention_bias": True, "mlp_bias": True},
    "wide heads": {"head_dim": 16},
    "tied": {"tie_word_embeddings": True},
    "linear rope": {"rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}},
    "llama3 rope": {
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 500.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        }
    },
    "yarn rope": {
        "rope_parameters": {
            "rope_type": "yarn",
            "rope_theta": 500.0,
            "factor": 4.0,
            "original_max_position_embeddings": 32,
        }
    },
}


def make_llama(**changes) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = {
        "vocab_size": 61,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": 512,
        "initializer_range": 0.15,
    }
    lm = LlamaForCausalLM(LlamaConfig(**(config | changes))).eval()
    for name, parameter in lm.named_parameters():
        if "norm" in name or name.endswith("bias"):
            torch.nn.init.normal_(parameter, mean=float("norm" in name), std=0.3)
    return lm


def both(lm: LlamaForCausalLM, **options) -> tuple[Policy, Policy]:
    """The same policy twice: decoded fast and in general."""
    fast, general = Policy(lm, **options), Policy(lm, fast_path=False, **options)
    torch.nn.init.normal_(fast.value_head.weight, std=0.1)
    general.value_head.load_state_dict(fast.value_head.state_dict())
    assert serves(fast)
    assert not serves(general)
    return fast, general


def make_prompts(n: int, longest: int = 40) -> list[list[int]]:
    draw = generator("prompts", n)
    return [draw.integers(6, 61, size=int(draw.integers(1, longest))).tolist() for _ in range(n)]


def complete(policy: Policy, prompts: list[list[int]], *, greedy: bool = False, batch_size: int = 100) -> Responses:
    draws = None if greedy else uniforms([key("row", i) for i in range(len(prompts))], CAP)
    return sample(policy, prompts, eos_id=EOS, pad_id=PAD, max_new_tokens=CAP, batch_size=batch_size, uniforms=draws)


def assert_same(one: Responses, other: Responses) -> None:
    assert one.lists() == other.lists()
    assert torch.equal(one.finished, other.finished)
    for field in ("logprobs", "entropies", "values"):
        torch.testing.assert_close(getattr(one, field), getattr(other, field), atol=1e-5, rtol=1e-6, msg=field)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("greedy", [True, False])
def test_both_decoders_agree(variant, greedy):
    """Prompts of mixed lengths, rows that end at very different times, and some that reach the cap."""
    fast, general = both(make_llama(**VARIANTS[variant]))
    prompts = make_prompts(24)
    one, other = complete(fast, prompts, greedy=greedy), complete(general, prompts, greedy=greedy)
    assert_same(one, other)
    if not greedy:
        lengths = one.mask.sum(1)
        assert lengths.min() < 10
        assert 0 < one.finished.sum() < 24
        assert lengths.max() == CAP


@pytest.mark.parametrize("n", [1, 3])
def test_both_decoders_agree_on_few_prompts_of_one_length(n):
    fast, general = both(make_llama(num_key_value_heads=2))
    prompts = [[7, 8, 9 + i] for i in range(n)]  # no padding, so no mask
    assert_same(complete(fast, prompts), complete(general, prompts))


def test_long_prompts_are_read_in_groups_and_one_may_exceed_a_group(monkeypatch):
    monkeypatch.setattr("reft_lab.policy.sampling.llama.decoder.GROUP_TOKENS", 30)
    fast, general = both(make_llama())
    prompts = make_prompts(12)
    assert max(len(p) for p in prompts) > 30
    assert_same(complete(fast, prompts), complete(general, prompts))


@pytest.mark.parametrize("fast", [True, False])
def test_samples_of_one_prompt_are_as_if_it_were_read_anew_each_time(fast):
    policy = both(make_llama())[0 if fast else 1]
    prompts = make_prompts(3, longest=20)
    several = complete(policy, [p for p in prompts for _ in range(5)])
    draws = uniforms([key("row", i) for i in range(15)], CAP)
    for i in range(15):
        alone = sample(
            policy,
            [prompts[i // 5]],
            eos_id=EOS,
            pad_id=PAD,
            max_new_tokens=CAP,
            batch_size=1,
            uniforms=draws[i : i + 1],
        )
        assert alone.lists()[0] == several.lists()[i]
    assert len({tuple(r) for r in several.lists()}) == 15


@pytest.mark.parametrize("decoder", [LlamaDecoder, GeneralDecoder])
@torch.no_grad()
def test_rows_are_kept_left_out_and_repeated(decoder):
    """After any reordering, each row goes on as it would have by itself."""
    policy = both(make_llama())[0 if decoder is LlamaDecoder else 1]
    prompts = sorted((tuple(p) for p in make_prompts(6)), key=len)
    together = decoder(policy)
    together.start(prompts, 10)
    read = torch.tensor([11, 12, 13, 14, 15, 16])
    together.step(read)
    rows = [0, 1, 2, 3, 4, 5]
    texts = [[*prompt, token] for prompt, token in zip(prompts, read.tolist(), strict=True)]
    for order in ([4, 1, 5], [2, 0, 1, 1, 0], [0, 4]):
        together.keep(torch.tensor(order))
        rows, texts = [rows[i] for i in order], [texts[i] for i in order]
        tokens = torch.arange(20, 20 + len(order))
        hidden = together.step(tokens)
        texts = [[*text, token] for text, token in zip(texts, tokens.tolist(), strict=True)]
        for i, text in enumerate(texts):
            expected = policy.lm.base_model(torch.tensor([text])).last_hidden_state[0, -1]
            torch.testing.assert_close(hidden[i], expected, atol=1e-4, rtol=1e-4)


def test_changed_weights_are_seen_by_the_next_call():
    fast, general = both(make_llama())
    prompts = make_prompts(4)
    before = complete(fast, prompts)
    with torch.no_grad():
        for parameter in fast.lm.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    assert complete(fast, prompts).lists() != before.lists()
    assert_same(complete(fast, prompts), complete(general, prompts))


class Casts(TorchDispatchMode):
    """Counts how often some weights are cast to bf16 within it."""

    def __init__(self, weights: Iterable[torch.Tensor]):
        super().__init__()
        self.places = {weight.data_ptr() for weight in weights}
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if function is torch.ops.aten._to_copy.default and args[0].data_ptr() in self.places:
            self.count += kwargs["dtype"] == torch.bfloat16
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_in_bf16_each_weight_is_cast_once_however_much_is_written(family):
    policy = Policy(make_model(family), precision="bf16", fast_path=False)
    counts = []
    for cap in (2, 12):
        with Casts(policy.parameters()) as casts:
            sample(policy, [[7], [8, 9]], eos_id=EOS, pad_id=PAD, max_new_tokens=cap, batch_size=1)
        counts.append(casts.count)
    assert 0 < counts[0] == counts[1] <= len(list(policy.parameters()))


def test_in_bf16_a_pass_over_whole_texts_keeps_no_weight_that_it_cast():
    """What it casts is kept only as long as the gradient needs it; here nothing does."""
    policy = Policy(make_model("llama"), precision="bf16", fast_path=False)
    kept = []
    weight = policy.lm.base_model.layers[0].mlp.up_proj.weight
    policy.lm.base_model.norm.register_forward_hook(lambda *_: kept.append(_casts_anew(weight)))
    with torch.no_grad():
        score(policy, [[7, 8]], [[9]], pad_id=0)
        sample(policy, [[7]], eos_id=EOS, pad_id=PAD, max_new_tokens=1, batch_size=1)
    assert kept == [True, False]


def _casts_anew(weight: torch.Tensor) -> bool:
    """Whether a product with a weight casts it at this moment, though one before did."""
    with Casts([weight]) as casts:
        torch.nn.functional.linear(torch.ones(1, weight.shape[1]), weight)
    return casts.count == 1


def test_bf16_decodes_near_fp32_and_returns_fp32():
    fast, _ = both(make_llama(), precision="bf16")
    exact, _ = both(make_llama())
    exact.value_head.load_state_dict(fast.value_head.state_dict())
    prompts = make_prompts(16)
    options = {"eos_id": EOS, "pad_id": PAD, "max_new_tokens": 1, "batch_size": 16}
    draws = uniforms([key(i) for i in range(16)], 1)
    rounded = sample(fast, prompts, uniforms=draws, **options)
    plain = sample(exact, prompts, uniforms=draws, **options)
    assert rounded.logprobs.dtype == rounded.values.dtype == torch.float32
    assert not torch.equal(rounded.entropies, plain.entropies)
    torch.testing.assert_close(rounded.entropies, plain.entropies, atol=0.3, rtol=0.1)
    assert complete(fast, prompts).mask.sum() > 16 * 5


def test_what_the_lean_decoder_does_not_know_takes_the_general_way():
    dynamic = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}
    assert not serves(Policy(make_llama(rope_parameters=dynamic)))
    assert not serves(Policy(make_llama(hidden_act="gelu")))
    hooked = make_llama()
    hooked.model.layers[1].register_forward_hook(lambda module, args, output: None)
    assert not serves(Policy(hooked))


def test_another_process_samples_bit_for_bit_the_same(repo):
    script = "from tests.policy.test_decoders import digest; print(digest())"
    done = subprocess.run([sys.executable, "-c", script], cwd=repo, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest()


def digest() -> str:
    """A hash of everything that a call to `sample` returns."""
    sampled = complete(both(make_llama())[0], make_prompts(20), batch_size=8)
    parts = (sampled.tokens, sampled.logprobs, sampled.entropies, sampled.values, sampled.finished)
    return hashlib.sha256(b"".join(part.numpy().tobytes() for part in parts)).hexdigest()
