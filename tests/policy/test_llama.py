"""The Llama path against transformers' own forward and automatic differentiation."""

from __future__ import annotations

import gc
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from reft_lab.policy.attention import WIDTH_IN_MEMORY
from reft_lab.policy.model import Policy
from reft_lab.policy.packing import Sequences
from reft_lab.policy.scoring import score, score_all
from tests.small_models import FAMILIES, make_model

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "grouped keys": {"num_key_value_heads": 2},
    "one key head": {"num_key_value_heads": 1},
    "biases": {"attention_bias": True, "mlp_bias": True, "num_key_value_heads": 2},
    "tied": {"tie_word_embeddings": True},
    "wide heads": {"head_dim": 16},
    "one layer": {"num_hidden_layers": 1},
    "linear rope": {"rope_scaling": {"rope_type": "linear", "factor": 4.0}},
    "dynamic rope": {"rope_scaling": {"rope_type": "dynamic", "factor": 4.0}, "max_position_embeddings": 16},
    "llama3 rope": {"rope_scaling": LLAMA3},
    "yarn rope": {"rope_scaling": {"rope_type": "yarn", "factor": 8.0}},
    "pad token": {"pad_token_id": 7},
}
MIXED = [3, 9, 1, 17, 5], [7, 1, 12, 4, 12]
EQUAL = [6, 6], [5, 5]
LONG = [WIDTH_IN_MEMORY + 40, 5, 20, WIDTH_IN_MEMORY], [7, 1, 12, 4]


def make_lm(**changes: Any) -> LlamaForCausalLM:
    torch.manual_seed(0)
    settings = {
        "vocab_size": 61,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": 1024,
        "initializer_range": 0.15,
        "pad_token_id": None,
    }
    lm = LlamaForCausalLM(LlamaConfig(**(settings | changes))).eval()
    for name, parameter in lm.named_parameters():  # transformers makes norms 1 and biases 0
        if "norm" in name:
            nn.init.normal_(parameter, 1.0, 0.3)
        if name.endswith("bias"):
            nn.init.normal_(parameter, 0.0, 0.3)
    return lm


def make_pair(lm: LlamaForCausalLM, **options: Any) -> tuple[Policy, Policy]:
    fast, plain = (Policy(deepcopy(lm), fast_path=on, **options) for on in (True, False))
    nn.init.normal_(fast.value_head.weight, 0.0, 0.1)
    plain.load_state_dict(fast.state_dict())
    assert fast.fast_path
    assert not plain.fast_path
    return fast, plain


def make_texts(lengths: tuple[list[int], list[int]]) -> list[list[list[int]]]:
    g = torch.Generator().manual_seed(1)
    return [[torch.randint(0, 61, (n,), generator=g).tolist() for n in part] for part in lengths]


def results(policy: Policy, texts: list[list[list[int]]]) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    """Log-probabilities, values, and the gradient of every parameter for a loss that weighs each token differently."""
    policy.zero_grad()
    scores = score(policy, texts[0], texts[1], pad_id=0)
    weights = torch.linspace(-1, 1, len(scores.logprobs))
    (scores.logprobs * weights + scores.values * weights.flip(0)).sum().backward()
    gradients = {name: p.grad.clone() for name, p in policy.named_parameters() if p.grad is not None}
    return scores.logprobs.detach(), scores.values.detach(), gradients


def assert_equal(fast: Policy, plain: Policy, texts: list[list[list[int]]], tolerance: float = 1e-5) -> None:
    """Every number to `tolerance` of the size of its tensor."""
    ours, theirs = results(fast, texts), results(plain, texts)
    assert ours[2].keys() == theirs[2].keys()
    pairs = [(ours[0], theirs[0]), (ours[1], theirs[1]), *((ours[2][name], theirs[2][name]) for name in theirs[2])]
    for a, b in pairs:
        torch.testing.assert_close(a, b, rtol=0, atol=tolerance * max(1.0, b.abs().max().item()))


@pytest.mark.parametrize("changes", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("lengths", [MIXED, EQUAL], ids=["mixed", "equal"])
def test_log_probs_values_and_all_gradients_are_those_of_the_generic_path(changes, lengths):
    assert_equal(*make_pair(make_lm(**changes)), make_texts(lengths))


@pytest.mark.parametrize("changes", [{}, {"num_key_value_heads": 2}], ids=["plain", "grouped keys"])
def test_long_sequences(changes):
    assert_equal(*make_pair(make_lm(**changes)), make_texts(LONG))


def test_hidden_states_are_those_of_the_generic_path():
    fast, plain = make_pair(make_lm())
    prompts, responses = make_texts(MIXED)
    sequences = Sequences(prompts, responses, 0)
    batch = sequences.packed(range(len(sequences)), fast.device)
    torch.testing.assert_close(fast.response_states(batch), plain.response_states(batch), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [20.0, 200.0])
def test_attention_scores_beyond_the_range_of_a_plain_exponential(size):
    lm = make_lm()
    with torch.no_grad():
        for layer in lm.model.layers:
            layer.self_attn.q_proj.weight.mul_(size)
    fast, plain = make_pair(lm)
    # Scores this large turn rounding into visible differences.
    assert_equal(fast, plain, make_texts(MIXED), tolerance=2e-3)


@pytest.mark.parametrize("separate", [True, False])
def test_value_models(separate):
    pair = make_pair(make_lm(), value_grad_to_trunk=separate)
    for policy in pair:
        if separate:
            policy.separate_values()
    assert_equal(*pair, make_texts(MIXED))


def test_gradient_checkpointing_changes_no_bit_and_keeps_less():
    kept, gradients, lm = [], [], make_lm()
    texts = make_texts(MIXED)
    for checkpointing in (False, True):
        policy = Policy(deepcopy(lm))
        if checkpointing:
            policy.lm.activation_checkpointing_enable()
        scores = score(policy, *texts, pad_id=0)
        kept.append(tensors_alive())
        (scores.logprobs.sum() + scores.values.sum()).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in policy.lm.parameters()]))
    assert torch.equal(*gradients)
    layers, least = 3, 10
    assert kept[1] < kept[0] - layers * least


def tensors_alive() -> int:
    gc.collect()
    return sum(issubclass(type(x), torch.Tensor) for x in gc.get_objects())


def test_scoring_without_gradients_is_the_same():
    fast, _ = make_pair(make_lm())
    prompts, responses = make_texts(MIXED)
    together = score(fast, prompts, responses, pad_id=0)
    logprobs, values = score_all(fast, prompts, responses, pad_id=0, tokens_per_micro_batch=40)
    mask = torch.arange(logprobs.shape[1]) < torch.tensor([len(r) for r in responses])[:, None]
    torch.testing.assert_close(logprobs[mask], together.logprobs, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(values[mask], together.values, atol=1e-5, rtol=1e-5)
    assert not logprobs[~mask].any()


def test_bf16_is_as_near_to_fp32_as_autocast_is():
    lm, texts = make_lm(), make_texts(MIXED)
    exact = results(make_pair(lm)[1], texts)
    fast, plain = (results(policy, texts) for policy in make_pair(lm, precision="bf16"))
    for ours, theirs, truth in ((fast[0], plain[0], exact[0]), (fast[1], plain[1], exact[1])):
        assert 0 < (ours - truth).norm() < 2 * (theirs - truth).norm() + 1e-3
    for name, truth in exact[2].items():
        assert fast[2][name].dtype == torch.float32
        assert (fast[2][name] - truth).norm() < 2 * (plain[2][name] - truth).norm() + 0.01 * truth.norm(), name


def test_a_copy_of_a_policy_reads_its_own_weights():
    fast, _ = make_pair(make_lm())
    texts = make_texts(MIXED)
    before = results(fast, texts)[0]
    copy = deepcopy(fast)
    with torch.no_grad():
        for parameter in copy.lm.parameters():
            parameter.mul_(1.1)
    assert torch.equal(results(fast, texts)[0], before)
    plain = Policy(deepcopy(copy.lm), fast_path=False)
    torch.testing.assert_close(results(copy, texts)[0], results(plain, texts)[0], atol=1e-4, rtol=1e-4)


def test_the_path_is_taken_for_a_llama_it_knows_and_nothing_else():
    assert Policy(make_lm()).fast_path
    assert Policy(make_lm()).reference().fast_path
    assert not Policy(make_lm(), fast_path=False).reference().fast_path
    assert [family for family in FAMILIES if Policy(make_model(family)).fast_path] == ["llama"]
    assert not Policy(make_lm(hidden_act="gelu")).fast_path
    assert not Policy(make_lm(attention_dropout=0.1)).fast_path

    class Adapted(nn.Linear):
        """Stands for an adapter or a quantised layer."""

    adapted, hooked = make_lm(), make_lm()
    adapted.model.layers[1].mlp.up_proj = Adapted(32, 48, bias=False)
    hooked.model.layers[0].register_forward_hook(lambda *_: None)
    assert not Policy(adapted).fast_path
    assert not Policy(hooked).fast_path
