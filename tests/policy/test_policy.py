"""The value model, saving and loading, and models that cannot be had."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from reft_lab.errors import BadInput
from reft_lab.policy import loading, saving
from reft_lab.policy.model import Policy
from reft_lab.policy.parked import Parked
from reft_lab.policy.scoring import score
from reft_lab.policy.settings import ModelConfig, ScratchConfig
from tests.small_models import FAMILIES, make_kind, make_model, save_checkpoint

TEXTS = ["Sam had 17 apples and ate 2 of them.", "def solution():\n    return 15"]


def gradient_of_values(policy: Policy) -> tuple[float, float]:
    """Gradient norms that the value loss leaves in the trunk and in the value model."""
    torch.nn.init.normal_(policy.value_head.weight)
    score(policy, [[7, 8, 9]], [[10, 11]], pad_id=0).values.square().sum().backward()
    trunk = sum(p.grad.abs().sum().item() for p in policy.lm.parameters() if p.grad is not None)
    value = sum(
        p.grad.abs().sum().item() for n, p in policy.named_parameters() if n.startswith("value_") and p.grad is not None
    )
    return trunk, value


def test_value_head_starts_at_zero_and_is_linear_on_the_last_hidden_state():
    policy = Policy(make_model("llama"))
    assert score(policy, [[7, 8, 9]], [[10, 11]], pad_id=0).values.abs().max() == 0
    assert isinstance(policy.value_head, torch.nn.Linear)
    assert policy.value_head.in_features == 32


def test_a_random_value_head_is_that_of_a_linear_layer_and_depends_on_its_seed_alone():
    def head(seed: int) -> torch.nn.Linear:
        policy = Policy(make_model("llama"), value_seed=seed)
        assert score(policy, [[7, 8, 9]], [[10, 11]], pad_id=0).values.abs().min() > 0
        return policy.value_head

    state = torch.get_rng_state()
    first = head(1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(5)
    assert torch.equal(first.weight, head(1).weight)
    assert not torch.equal(first.weight, head(2).weight)
    bound = first.in_features**-0.5
    assert 0.8 * bound < first.weight.abs().max() <= bound
    assert 0 < first.bias.abs() <= bound


def test_the_separate_value_model_is_a_copy_of_the_trunk_as_it_is_then():
    policy = Policy(make_model("llama"))
    at_first = [p.clone() for p in policy.lm.base_model.parameters()]
    with torch.no_grad():
        for p in policy.lm.parameters():
            p.add_(0.1)
    policy.separate_values()
    assert policy.value_trunk is not None
    pairs = zip(policy.value_trunk.parameters(), policy.lm.base_model.parameters(), at_first, strict=True)
    for value, trunk, old in pairs:
        assert torch.equal(value, trunk)
        assert value.data_ptr() != trunk.data_ptr()
        assert not torch.equal(value, old)


def test_value_gradient_reaches_the_trunk_only_where_asked():
    trunk, value = gradient_of_values(Policy(make_model("llama"), value_grad_to_trunk=True))
    assert trunk > 0
    assert value > 0
    trunk, value = gradient_of_values(Policy(make_model("llama"), value_grad_to_trunk=False))
    assert trunk == 0
    assert value > 0


def test_a_separate_value_model_leaves_the_policy_alone_and_learns_by_itself():
    policy = Policy(make_model("llama"))
    policy.separate_values()
    trunk, value = gradient_of_values(policy)
    assert trunk == 0
    assert value > 0
    assert policy.value_trunk is not None
    assert all(p.grad is not None for n, p in policy.value_trunk.named_parameters())


def test_bf16_is_autocast_over_fp32_masters():
    policy = Policy(make_model("llama"), precision="bf16")
    scores = score(policy, [[7, 8, 9]], [[10, 11]], pad_id=0)
    scores.logprobs.sum().backward()
    assert {p.dtype for p in policy.parameters()} == {torch.float32}
    assert {p.grad.dtype for p in policy.parameters() if p.grad is not None} == {torch.float32}
    plain = score(Policy(make_model("llama")), [[7, 8, 9]], [[10, 11]], pad_id=0).logprobs
    assert not torch.equal(plain, scores.logprobs)
    torch.testing.assert_close(plain, scores.logprobs, atol=0.5, rtol=0.1)


def test_the_reference_is_a_frozen_copy():
    policy = Policy(make_model("llama"))
    reference = policy.reference()
    with torch.no_grad():
        next(policy.lm.parameters()).add_(1.0)
    assert not any(p.requires_grad for p in reference.parameters())
    torch.testing.assert_close(next(reference.lm.parameters()), next(make_model("llama").parameters()))


@pytest.mark.parametrize("kind", ["llama", "gpt2", "opt, as Galactica", "gpt_neox", "mixtral", "gemma2", "codegen"])
def test_a_reference_in_bf16_has_the_same_scores_from_less_room(kind):
    """Where the embedding is the output head too, it stays as it is."""
    texts = [[7, 8, 9], [5, 6]], [[10, 11], [12, 13, 14, 15]]
    for tied in (False, True):
        reference = Policy(make_kind(kind, tie_word_embeddings=tied), precision="bf16", critic=False).reference()
        before, room = score(reference, *texts, pad_id=0).logprobs, _bytes(reference)
        reference.shorten()
        assert torch.equal(score(reference, *texts, pad_id=0).logprobs, before)
        embedding = reference.lm.get_input_embeddings().weight
        assert embedding.dtype == torch.float32
        assert (reference.lm.get_output_embeddings().weight.dtype == torch.bfloat16) is not tied
        assert _bytes(reference) < room or (kind, tied) == ("gpt2", True)  # whose other matrices are no linear layers
    exact = Policy(make_kind(kind), critic=False).reference()
    exact.shorten()
    assert {parameter.dtype for parameter in exact.parameters()} == {torch.float32}


def _bytes(policy: Policy) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in policy.parameters())


def test_a_parked_policy_is_there_when_it_is_wanted():
    """On a CPU it never goes away; tests/gpu has the rest."""
    reference = Policy(make_model("llama"), critic=False).reference()
    before = [parameter.data_ptr() for parameter in reference.parameters()]
    parked = Parked(reference, is_wanted=True)
    with parked.fetched() as fetched:
        assert fetched is reference
    assert parked.fetch() is reference
    assert [parameter.data_ptr() for parameter in reference.parameters()] == before


@pytest.mark.parametrize("separate", [False, True])
def test_checkpoints_load_with_plain_transformers(tmp_path, separate):
    lm, tokenizer = loading.load(ModelConfig(), TEXTS, seed=3)
    policy = Policy(lm)
    if separate:
        policy.separate_values()
    torch.nn.init.normal_(policy.value_head.weight)
    saving.save(policy, tokenizer, tmp_path / "best", {})
    saving.save(policy, tokenizer, tmp_path / "best", {})  # replaces
    assert [p.name for p in tmp_path.iterdir()] == ["best"]

    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "best")
    text = AutoTokenizer.from_pretrained(tmp_path / "best")
    ids = torch.tensor([text(TEXTS[0])["input_ids"]])
    with torch.no_grad():
        torch.testing.assert_close(plain(ids).logits, lm(ids).logits)
    assert plain.config.eos_token_id == tokenizer.eos_token_id

    other, _ = loading.load(ModelConfig(), TEXTS, seed=4)
    restored = Policy(other)
    if separate:
        restored.separate_values()
    saving.load_weights(restored, tmp_path / "best")
    for (name, a), (_, b) in zip(policy.named_parameters(), restored.named_parameters(), strict=True):
        assert torch.equal(a, b), name


def test_scratch_weights_depend_on_the_seed_alone():
    def weights(seed: int) -> torch.Tensor:
        return next(loading.load(ModelConfig(scratch=ScratchConfig(layers=1)), TEXTS, seed)[0].parameters())

    torch.manual_seed(1)
    first = weights(0)
    torch.manual_seed(2)
    assert torch.equal(first, weights(0))
    assert not torch.equal(first, weights(1))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_loads_from_a_folder_in_fp32(tmp_path, family):
    folder = save_checkpoint(tmp_path / family, family, TEXTS, ["<pad>", "</s>"])
    config = ModelConfig(path=str(folder), pad_token="<pad>", eos_token="</s>")
    lm, tokenizer = loading.load(config, [], seed=0)
    assert {p.dtype for p in lm.parameters()} == {torch.float32}
    assert (tokenizer.pad_token, tokenizer.eos_token) == ("<pad>", "</s>")
    assert lm.config.eos_token_id == tokenizer.eos_token_id == 1


def test_a_folder_that_is_no_model_is_one_sentence(tmp_path):
    with pytest.raises(BadInput, match=r"no config\.json.*model\.path=PATH_OR_HUB_ID"):
        loading.check_source(ModelConfig(path=str(tmp_path)))


def test_a_tokenizer_larger_than_the_model_is_one_sentence(tmp_path):
    folder = save_checkpoint(tmp_path / "m", "llama", TEXTS, ["</s>"], vocabulary=100, eos_token="</s>")
    with pytest.raises(BadInput, match="more than the 100 the model knows"):
        loading.load(ModelConfig(path=str(folder)), [], seed=0)
