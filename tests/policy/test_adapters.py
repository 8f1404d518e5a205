"""Adapters against the same written as one weight, and who shares what with whom."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

from reft_lab.errors import BadInput
from reft_lab.methods.settings import PPOConfig
from reft_lab.methods.stages.optimizer import Optimizer, constant
from reft_lab.policy.adapters import with_adapter
from reft_lab.policy.flops import Flops
from reft_lab.policy.model import Policy, checkpoint_layers
from reft_lab.policy.sampling import sample
from reft_lab.policy.sampling.llama import serves
from reft_lab.policy.scoring import score
from reft_lab.policy.settings import LoraConfig, ModelConfig
from tests.small_models import KINDS, make_kind

RANK, ALPHA = 4, 6
SCALE = ALPHA / RANK
LORA = LoraConfig(rank=RANK, alpha=ALPHA)
# By how their linear layers are made: Llama's, with biases, one for several, transposed, unpacked, experts.
SOME = ("llama", "llama, all biases and wide heads", "gpt_neox", "gpt2", "opt", "codegen", "gemma3_text", "mixtral")
PROMPTS = [[5, 6, 7], [8, 9, 10, 11, 12], [3]]
RESPONSES = [[3, 4, 9, 2], [7, 2], [21, 22, 23, 24, 25]]


def adapted(kind: str, lora: LoraConfig = LORA, seed: int = 0, **changes) -> PreTrainedModel:
    """A model with an adapter that says something."""
    lm = with_adapter(make_kind(kind, **changes), ModelConfig(lora=lora), seed)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in lm.named_parameters():
            if "lora_B" in name:
                weight.normal_(0.0, 0.1)
    return lm


def layers(lm: PreTrainedModel) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """A and B of every adapted layer, by its name."""
    named = dict(lm.named_parameters())
    ends = (".lora_A.default.weight", ".lora_B.default.weight")
    names = [name.removesuffix(ends[0]) for name in named if name.endswith(ends[0])]
    return {name: (named[name + ends[0]], named[name + ends[1]]) for name in names}


def bits(lm: PreTrainedModel) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in lm.state_dict().items()}


def logprobs_of(policy: Policy) -> torch.Tensor:
    with torch.no_grad():
        return score(policy, PROMPTS, RESPONSES, pad_id=0).logprobs


@pytest.mark.parametrize("kind", SOME)
def test_scores_and_gradients_are_those_of_one_weight_and_the_chain_rule(kind: str) -> None:
    lm = adapted(kind)
    literal = make_kind(kind)  # W + alpha / rank B A in the place of W
    weights = {}
    for name, (a, b) in layers(lm).items():
        plain = literal.get_submodule(name)
        is_transposed = not isinstance(plain, nn.Linear)
        with torch.no_grad():
            added = SCALE * b @ a
            plain.weight.add_(added.t() if is_transposed else added)
        weights[name] = (plain.weight, is_transposed)
    assert weights.keys() == {
        name
        for name, module in literal.base_model.named_modules(prefix=literal.base_model_prefix)
        if type(module).__name__ in ("Linear", "Conv1D")
    }

    policy = Policy(lm, critic=False).eval()
    ours = score(policy, PROMPTS, RESPONSES, pad_id=0).logprobs
    upstream = torch.linspace(-1, 1, len(ours))
    (ours * upstream).sum().backward()
    parts = []
    for prompt, response in zip(PROMPTS, RESPONSES, strict=True):
        logits = literal(torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1]
        parts.append(logits.log_softmax(-1)[range(len(response)), response])
    theirs = torch.cat(parts)
    (theirs * upstream).sum().backward()

    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    for name, (a, b) in layers(lm).items():
        weight, is_transposed = weights[name]
        by_weight = weight.grad.t() if is_transposed else weight.grad
        for found, expected in ((a.grad, SCALE * b.t() @ by_weight), (b.grad, SCALE * by_weight @ a.t())):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * max(1.0, expected.abs().max().item()))
    assert all(weight.grad is None for name, weight in lm.named_parameters() if "lora_" not in name)


@pytest.mark.parametrize("kind", SOME)
def test_merging_gives_the_same_scores_and_changes_no_weight(kind: str) -> None:
    lm = adapted(kind)
    policy, before = Policy(lm), bits(lm)
    merged = policy.merged()
    assert not any("lora" in name for name in merged.state_dict())
    torch.testing.assert_close(logprobs_of(merged), logprobs_of(policy), atol=1e-5, rtol=1e-5)
    again = policy.merged()
    assert all(torch.equal(one, two) for one, two in zip(merged.parameters(), again.parameters(), strict=True))
    assert all(torch.equal(tensor, before[name]) for name, tensor in lm.state_dict().items())
    assert lm.get_output_embeddings().weight is merged.lm.get_output_embeddings().weight


@pytest.mark.parametrize("kind", ["llama", "llama, all biases and wide heads", "gpt2", "qwen3"])
def test_samples_are_those_of_the_adapted_model(kind: str) -> None:
    policy = Policy(adapted(kind))
    before = bits(policy.lm)
    assert serves(policy) == kind.startswith("llama")
    sampled = sample(policy, PROMPTS, eos_id=2, pad_id=0, max_new_tokens=9, batch_size=2)
    for prompt, response in zip(PROMPTS, sampled.lists(), strict=True):
        logits = policy.lm(torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1]
        assert logits.argmax(-1).tolist() == response
    expected = score(policy, PROMPTS, sampled.lists(), pad_id=0)
    torch.testing.assert_close(sampled.logprobs[sampled.mask], expected.logprobs, atol=1e-4, rtol=1e-4)
    assert all(torch.equal(tensor, before[name]) for name, tensor in policy.lm.state_dict().items())


def test_merged_weights_of_bf16_are_the_rounded_ones() -> None:
    policy = Policy(adapted("qwen3"), precision="bf16")
    merged, exact = policy.merged(), policy.merged(torch.float32)
    name = "lm.model.layers.0.mlp.up_proj.weight"
    assert torch.equal(merged.get_parameter(name), exact.get_parameter(name).bfloat16())
    assert torch.equal(logprobs_of(merged), logprobs_of(exact))


def test_a_model_begins_as_it_was_and_adapters_are_keyed_by_the_seed() -> None:
    plain = make_kind("qwen3")
    one, same, other = (with_adapter(make_kind("qwen3"), ModelConfig(lora=LORA), seed) for seed in (0, 0, 1))
    ids = torch.tensor([PROMPTS[1]])
    assert torch.equal(one(ids).logits, plain(ids).logits)
    a, b, c = (torch.cat([a.flatten() for a, _ in layers(lm).values()]) for lm in (one, same, other))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    state = torch.get_rng_state()
    with_adapter(plain, ModelConfig(lora=LORA), 3)
    assert torch.equal(torch.get_rng_state(), state)


def test_without_a_rank_nothing_is_changed() -> None:
    lm = make_kind("llama")
    before, kinds = bits(lm), [type(module) for module in lm.modules()]
    assert with_adapter(lm, ModelConfig(lora=LoraConfig(alpha=7, dropout=0.5, targets=["q_proj"])), 0) is lm
    assert [type(module) for module in lm.modules()] == kinds
    assert all(weight.requires_grad for weight in lm.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in lm.state_dict().items())
    policy = Policy(lm)
    assert policy.merged() is policy
    assert policy.trained_parameters() == list(lm.parameters())
    assert policy.own_state().keys() == policy.state_dict().keys()


def test_targets_by_the_ends_of_their_names() -> None:
    lm = adapted("llama", replace(LORA, targets=["self_attn.q_proj", "down_proj"]))
    assert {name.rpartition(".")[2] for name in layers(lm)} == {"q_proj", "down_proj"}
    with pytest.raises(BadInput, match=r"model\.lora\.targets names c_attn, .*; there are down_proj, gate_proj"):
        adapted("llama", replace(LORA, targets=["q_proj", "c_attn"]))


def storages(*policies: Policy) -> dict[int, int]:
    """Bytes of all weights, by where they are."""
    tensors = [tensor for policy in policies for tensor in policy.state_dict().values()]
    return {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}


def test_reference_and_value_trunk_share_the_base() -> None:
    lm = adapted("llama")
    base = sum(4 * weight.numel() for name, weight in lm.named_parameters() if "lora_" not in name)
    adapter = sum(4 * weight.numel() for name, weight in lm.named_parameters() if "lora_" in name)
    policy = Policy(lm)
    policy.separate_values()
    reference = policy.reference()
    assert reference.reference().lm.get_input_embeddings().weight is lm.get_input_embeddings().weight
    head = 4 * sum(p.numel() for p in policy.value_head.parameters())
    assert sum(storages(policy, reference).values()) == base + 3 * adapter + head
    trained = sum(p.numel() for p in policy.parameters() if p.requires_grad)
    assert 4 * trained == 2 * adapter + head
    assert not any(p.requires_grad for p in reference.parameters())


def test_training_moves_adapters_alone_and_not_those_of_others() -> None:
    policy = Policy(adapted("llama"), value_seed=0)
    policy.separate_values()
    reference, before = policy.reference(), bits(policy.lm)
    scores = logprobs_of(reference)
    trained = [p for p in policy.parameters() if p.requires_grad]
    config = PPOConfig(lr=1e-2, weight_decay=0.1)
    second = policy.value_parameters()
    optimizer = Optimizer(policy, trained, config, constant(0), second=second, second_lr=1e-3)
    assert [len(group.parameters) for group in optimizer.groups] == [len(policy.trained_parameters()), 42 + 2]
    found = score(policy, PROMPTS, RESPONSES, pad_id=0)
    (found.values.square().sum() - found.logprobs.sum()).backward()
    optimizer.step()
    for name, tensor in policy.lm.state_dict().items():
        assert torch.equal(tensor, before[name]) is ("lora_" not in name), name
    assert sum(tensor.numel() for tensor in optimizer.tensors().values()) < 2.1 * sum(p.numel() for p in trained)
    assert torch.equal(logprobs_of(reference), scores)
    assert not torch.allclose(logprobs_of(policy), scores, atol=1e-3)
    values = policy.value_trunk.state_dict()
    assert any(not torch.equal(tensor, before[f"model.{name}"]) for name, tensor in values.items() if "lora_" in name)


def test_checkpointed_layers_give_the_same_gradients() -> None:
    plain, checkpointed = Policy(adapted("llama")), adapted("llama")
    checkpoint_layers(checkpointed)
    grads = []
    for policy in (plain, Policy(checkpointed)):
        score(policy, PROMPTS, RESPONSES, pad_id=0).logprobs.sum().backward()
        grads.append([p.grad for p in policy.trained_parameters()])
    assert len(grads[0]) == 42
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


def test_dropout_is_drawn_in_training_mode_only() -> None:
    policy = Policy(adapted("llama", replace(LORA, dropout=0.5)))
    policy.eval()
    assert torch.equal(logprobs_of(policy), logprobs_of(policy))
    policy.train()
    assert not torch.equal(logprobs_of(policy), logprobs_of(policy))


def test_backward_passes_spare_what_is_frozen() -> None:
    prompt, response, count = 9, 14, 3
    lm = adapted("llama", attn_implementation="eager", num_hidden_layers=6)
    policy = Policy(lm, critic=False, fast_path=False)
    flops = Flops.of(policy)
    ids = torch.randint(3, 60, (count, prompt + response)).tolist()
    with FlopCounterMode(display=False) as counter:
        rows = [row[:prompt] for row in ids], [row[prompt:] for row in ids]
        score(policy, *rows, pad_id=0).logprobs.sum().backward()
    tokens = prompt + response - 1
    after = 3 * count * 4 * flops.width * (tokens * (tokens - 1) // 2)  # what torch counts of pairs nobody needs
    # The first layer's inputs need no gradient, either: a fiftieth of a model of six layers.
    assert flops.training([(prompt, response)] * count) + after == pytest.approx(counter.get_total_flops(), rel=0.03)
    assert flops.training([(prompt, response)]) < 0.8 * 3 * flops.scoring([(prompt, response)])


def test_deep_copies_of_a_plain_policy_share_nothing() -> None:
    policy = Policy(make_kind("llama"))
    reference = policy.reference()
    both = storages(policy, reference)
    assert sum(both.values()) == sum(storages(policy).values()) + sum(storages(reference).values())
    assert deepcopy(policy.lm.config).to_dict() == reference.lm.config.to_dict()


def test_every_family_is_adapted() -> None:
    """That trains here at all."""
    for kind in KINDS:
        lm = with_adapter(make_kind(kind, num_hidden_layers=2), ModelConfig(lora=LORA), 0)
        assert len(layers(lm)) >= 2 * 4
