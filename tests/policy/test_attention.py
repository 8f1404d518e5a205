"""Packed attention against transformers' own forward of each sequence alone."""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from transformers import AttentionInterface, AutoModelForCausalLM, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from reft_lab.errors import BadInput
from reft_lab.policy.attention import NAME
from reft_lab.policy.model import Policy, checkpoint_layers
from reft_lab.policy.packing import Sequences
from reft_lab.policy.scoring import score, score_all
from tests.small_models import KINDS, UNPACKED, WINDOW, make_kind

Texts = tuple[list[list[int]], list[list[int]]]
Results = tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]

PROMPTS, RESPONSES = [3, 9, 1, 17, 5, 3], [7, 1, 12, 4, 12, 7]
PACKED = [kind for kind in KINDS if kind not in UNPACKED]


def make_texts(prompts: list[int] = PROMPTS, responses: list[int] = RESPONSES) -> Texts:
    g = torch.Generator().manual_seed(1)
    made = [[torch.randint(0, 61, (n,), generator=g).tolist() for n in lengths] for lengths in (prompts, responses)]
    return made[0], made[1]


def make_policy(lm: PreTrainedModel, **options) -> Policy:
    policy = Policy(lm, **options)
    torch.manual_seed(2)
    nn.init.normal_(policy.value_head.weight, 0.0, 0.1)
    return policy


def results(policy: Policy, texts: Texts) -> Results:
    """Log-probabilities, values, and the gradient of every parameter for a loss that weighs each token differently."""
    policy.zero_grad()
    scores = score(policy, *texts, pad_id=0)
    return graded(policy, scores.logprobs, scores.values)


def alone(policy: Policy, texts: Texts) -> Results:
    """The same by the model's own forward, one sequence at a time, in the attention that it is loaded with."""
    policy.zero_grad()
    logprobs, values, hidden = [], [], []
    head = policy.lm.get_output_embeddings()
    handle = head.register_forward_pre_hook(lambda module, given: hidden.append(given[0][0]))
    for prompt, response in zip(*texts, strict=True):
        logits = policy.lm(torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1]
        logprobs.append(logits.log_softmax(-1)[range(len(response)), response])
        values.append(policy.values(hidden.pop()[len(prompt) - 1 : -1]))
    handle.remove()
    return graded(policy, torch.cat(logprobs), torch.cat(values))


def graded(policy: Policy, logprobs: torch.Tensor, values: torch.Tensor) -> Results:
    weights = torch.linspace(-1, 1, len(logprobs))
    (logprobs * weights + values * weights.flip(0)).sum().backward()
    gradients = {name: p.grad.clone() for name, p in policy.named_parameters() if p.grad is not None}
    return logprobs.detach(), values.detach(), gradients


def assert_same(ours: Results, theirs: Results, tolerance: float = 1e-5) -> None:
    """Every number to `tolerance` of the size of its tensor."""
    assert ours[2].keys() == theirs[2].keys()
    pairs = [(ours[0], theirs[0]), (ours[1], theirs[1]), *((ours[2][name], theirs[2][name]) for name in theirs[2])]
    for a, b in pairs:
        torch.testing.assert_close(a, b, rtol=0, atol=tolerance * max(1.0, b.abs().max().item()))


@pytest.mark.parametrize("kind", KINDS)
def test_log_probs_values_and_all_gradients_are_those_of_each_sequence_alone(kind):
    lm = make_kind(kind)
    reference = make_policy(deepcopy(lm), fast_path=False)  # as transformers made it
    policy = make_policy(lm)
    assert policy.is_packed == (kind in PACKED)
    assert not reference.is_packed
    theirs = alone(reference, make_texts())
    assert_same(results(policy, make_texts()), theirs)
    assert_same(results(reference, make_texts()), theirs)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma3_text"])
@pytest.mark.parametrize(("prompts", "responses"), [([6, 6], [5, 5]), ([1], [1]), ([40, 5, 200, 90], [7, 1, 12, 4])])
def test_rows_of_one_length_a_single_token_and_long_ones(kind, prompts, responses):
    lm, texts = make_kind(kind), make_texts(prompts, responses)
    assert_same(results(make_policy(deepcopy(lm)), texts), alone(make_policy(lm, fast_path=False), texts))


@pytest.mark.parametrize("kind", ["mistral", "gemma3_text", "phi3", "starcoder2"])
def test_windows_matter_for_these_texts(kind):
    wide = KINDS[kind] | {"sliding_window": 100}
    one, other = (
        score(make_policy(make_kind(kind, **changes)), *make_texts(), pad_id=0).logprobs for changes in ({}, wide)
    )
    assert max(PROMPTS) > WINDOW
    assert not torch.allclose(one, other, atol=1e-3)


@pytest.mark.parametrize("kind", ["llama", "opt", "gemma3_text", "mixtral"])
def test_a_sequence_scores_the_same_whatever_is_packed_with_it(kind):
    policy = make_policy(make_kind(kind))
    prompts, responses = make_texts()
    options = {"pad_id": 0, "tokens_per_micro_batch": 1000}
    whole = score_all(policy, prompts, responses, **options)
    order = [4, 0, 5, 2, 1, 3]
    turned = score_all(policy, [prompts[i] for i in order], [responses[i] for i in order], **options)
    small = score_all(policy, prompts, responses, pad_id=0, tokens_per_micro_batch=20)
    for one, other, few in zip(whole, turned, small, strict=True):
        torch.testing.assert_close(other, one[order], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(few, one, atol=1e-5, rtol=1e-5)


def test_groups_of_rows_hold_every_token_once_and_little_padding():
    prompts, responses = [10, 40, 41, 44, 90, 91], [5, 5, 6, 7, 8, 9]
    batch = Sequences(*make_texts(prompts, responses), pad_id=0).packed(range(6), torch.device("cpu"))
    assert [rows.shape for rows in batch.groups] == [(1, 14), (3, 50), (2, 99)]
    tokens = torch.arange(len(batch.ids))
    for rows, part in zip(batch.groups, tokens.split([len(rows.place) for rows in batch.groups]), strict=True):
        assert torch.equal(rows.collect(rows.spread(part)), part)
    together = batch.rows.spread(tokens + 1)
    assert together.shape == (6, 99)
    assert [(row > 0).sum().item() for row in together] == [a + b - 1 for a, b in zip(prompts, responses, strict=True)]


@pytest.mark.parametrize("separate", [True, False])
def test_value_models(separate):
    lm = make_kind("qwen3")
    pair = [make_policy(deepcopy(lm), fast_path=fast, value_grad_to_trunk=separate) for fast in (True, False)]
    for policy in pair:
        if separate:
            policy.separate_values()
    assert_same(*(results(policy, make_texts()) for policy in pair))


@pytest.mark.parametrize("kind", ["llama", "opt", "gemma3_text", "codegen"])
@pytest.mark.parametrize("training", [True, False])
def test_checkpointing_changes_no_bit_and_keeps_less(kind, training):
    """In evaluation mode too, in which PPO updates a policy."""
    kept, found, lm = [], [], make_kind(kind, **({} if kind != "opt" else {"dropout": 0.0}))
    for checkpointing in (False, True):
        copied = deepcopy(lm)
        if checkpointing:
            checkpoint_layers(copied)
        policy = deepcopy(make_policy(copied))  # whose layers are its own
        policy.train(training)
        for module in policy.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        kept.append(0)
        with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(kept.pop() + x.numel()) or x, lambda x: x):
            scores = score(policy, *make_texts(), pad_id=0)
        found.append(graded(policy, scores.logprobs, scores.values))
    assert torch.equal(found[0][0], found[1][0])
    assert all(torch.equal(found[0][2][name], found[1][2][name]) for name in found[0][2])
    assert kept[1] < kept[0] / 2


def test_two_micro_batches_may_be_checkpointed_before_either_is_differentiated():
    """The second computation of a layer is told where its own tokens stand, not those of the last forward pass."""
    lm = make_kind("llama")
    plain = make_policy(deepcopy(lm))
    checkpoint_layers(lm)
    gradients = []
    for policy in (plain, make_policy(lm)):
        one, other = (
            score(policy, *make_texts(*lengths), pad_id=0) for lengths in (([3, 9], [7, 2]), ([8, 1], [4, 6]))
        )
        (one.logprobs.sum() + 2 * other.logprobs.sum()).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in policy.lm.parameters()]))
    assert torch.equal(*gradients)


def test_a_model_without_such_layers_is_one_sentence():
    lm = make_kind("llama")
    lm.model.layers = nn.ModuleList()
    with pytest.raises(BadInput, match="models of type llama cannot recompute their layers"):
        checkpoint_layers(lm)


def test_hooks_fire_and_may_change_what_comes_out():
    lm, seen = make_kind("llama"), []
    policy = make_policy(lm)
    before = score(policy, *make_texts(), pad_id=0).logprobs
    tokens = sum(PROMPTS) + sum(RESPONSES) - len(PROMPTS)

    def hook(module, given, output):
        seen.append(output.shape)
        return output * 1.5

    for layer in lm.model.layers:
        layer.mlp.register_forward_hook(hook)
    assert not torch.allclose(score(policy, *make_texts(), pad_id=0).logprobs, before, atol=1e-3)
    assert seen == [(1, tokens, 32)] * 3
    assert_same(results(policy, make_texts()), alone(make_policy(lm, fast_path=False), make_texts()))


class Adapted(nn.Module):
    """A linear layer with a trained addition of low rank."""

    def __init__(self, inner: nn.Linear):
        super().__init__()
        self.inner = inner.requires_grad_(False)
        self.down, self.up = nn.Linear(inner.in_features, 2), nn.Linear(2, inner.out_features)

    def forward(self, x):
        return self.inner(x) + self.up(self.down(x))


def test_adapters_are_trained():
    lm = make_kind("qwen2")
    torch.manual_seed(3)
    for layer in lm.model.layers:
        layer.self_attn.q_proj, layer.mlp.up_proj = Adapted(layer.self_attn.q_proj), Adapted(layer.mlp.up_proj)
    policy = make_policy(deepcopy(lm))
    assert policy.is_packed
    assert_same(results(policy, make_texts()), alone(make_policy(lm, fast_path=False), make_texts()))


@pytest.mark.parametrize("kind", ["gpt2", "opt", "gpt_neox"])
def test_dropout_is_drawn_in_training_mode_only(kind):
    rates = {"gpt2": "attn_pdrop", "opt": "dropout", "gpt_neox": "attention_dropout"}
    policy = make_policy(make_kind(kind, **{rates[kind]: 0.5}))
    assert policy.is_packed
    one, other = (score(policy, *make_texts(), pad_id=0).logprobs for _ in range(2))
    assert torch.equal(one, other)
    policy.train()
    one, other = (score(policy, *make_texts(), pad_id=0).logprobs for _ in range(2))
    assert one.isfinite().all()
    assert not torch.equal(one, other)


def test_bf16_is_as_near_to_fp32_as_autocast_over_rows_is():
    lm, texts = make_kind("llama"), make_texts()
    exact = alone(make_policy(deepcopy(lm), fast_path=False), texts)
    options = {"precision": "bf16"}
    ours, theirs = (results(make_policy(deepcopy(lm), fast_path=fast, **options), texts) for fast in (True, False))
    assert 0 < (ours[0] - exact[0]).norm() < 2 * (theirs[0] - exact[0]).norm() + 1e-3
    for name, truth in exact[2].items():
        assert ours[2][name].dtype == torch.float32
        assert (ours[2][name] - truth).norm() < 2 * (theirs[2][name] - truth).norm() + 0.01 * truth.norm(), name


def test_under_autocast_on_a_cpu_it_is_as_exact_as_its_numbers_are():
    """Torch's own attention in bf16 is off by 2.6e-3 here, and its gradients by 5e-3."""
    lengths = [40, 147, 9]
    sequences = Sequences([[0]] * 3, [[0] * length for length in lengths], pad_id=0)
    packed = sequences.packed(range(3), torch.device("cpu"))
    torch.manual_seed(0)
    layer = SimpleNamespace(num_key_value_groups=3, is_causal=True)
    shapes = [(1, heads, sum(lengths), 64) for heads in (6, 2, 2)]
    given = [torch.randn(shape, dtype=torch.bfloat16, requires_grad=True) for shape in shapes]
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = AttentionInterface()[NAME](layer, *given, None, packed=packed)
    upstream = torch.randn_like(found)

    exact = [tensor.detach().double().requires_grad_() for tensor in given]
    attend = partial(nn.functional.scaled_dot_product_attention, is_causal=True, enable_gqa=True)
    parts = [attend(*part) for part in zip(*(tensor.split(lengths, 2) for tensor in exact), strict=True)]
    expected = torch.cat(parts, 2).transpose(1, 2)
    ours = found, *torch.autograd.grad(found, given, upstream)
    theirs = expected, *torch.autograd.grad(expected, exact, upstream.double())
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == torch.bfloat16
        assert (one - other).norm() < 2.2e-3 * other.norm()


@pytest.mark.parametrize("training", [True, False])
def test_trying_a_model_changes_nothing_of_it(training):
    lm = make_kind("mistral").train(training)
    weights = {name: tensor.clone() for name, tensor in lm.state_dict().items()}
    config, state = lm.config.to_dict(), torch.get_rng_state()
    assert Policy(lm).is_packed
    assert lm.config.to_dict() == config
    assert lm.config.sliding_window == WINDOW
    assert lm.training == training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in lm.state_dict().items())


def note(sizes: list[int], module, given, output) -> None:
    sizes.append(output.shape[1])


@pytest.mark.parametrize("kind", ["llama", "gpt2", "cohere"])
def test_the_last_mlp_computes_what_is_read_alone(kind):
    policy = make_policy(make_kind(kind))
    for copied in (policy, policy.reference(), Policy(policy.lm)):
        sizes: list[int] = []
        mlps = [m.mlp for m in copied.lm.modules() if isinstance(m, GradientCheckpointingLayer)]
        first = [next(m for m in mlp.modules() if not list(m.children())) for mlp in mlps]
        handles = [m.register_forward_hook(partial(note, sizes)) for m in first]
        score(copied, *make_texts(), pad_id=0)
        for handle in handles:
            handle.remove()
        assert sizes == [sum(PROMPTS) + sum(RESPONSES) - len(PROMPTS)] * 2 + [sum(RESPONSES)]


def test_what_is_saved_and_generated_is_as_without_it(tmp_path):
    lm = make_kind("qwen2")
    ids = torch.tensor([[5, 6, 7, 8]])
    expected = lm.generate(ids, max_new_tokens=20, do_sample=False, eos_token_id=None)
    lm.save_pretrained(tmp_path / "before")
    policy = make_policy(lm)
    results(policy, make_texts())
    assert torch.equal(lm.generate(ids, max_new_tokens=20, do_sample=False, eos_token_id=None), expected)
    lm.save_pretrained(tmp_path / "after")
    before, after = ((tmp_path / when / "config.json").read_text() for when in ("before", "after"))
    assert before == after
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "after")
    torch.testing.assert_close(plain(ids).logits, lm(ids).logits)


def test_a_copy_of_a_policy_reads_its_own_weights():
    policy = make_policy(make_kind("llama"))
    before = results(policy, make_texts())[0]
    copy = deepcopy(policy)
    with torch.no_grad():
        for parameter in copy.lm.parameters():
            parameter.mul_(1.1)
    assert torch.equal(results(policy, make_texts())[0], before)
    assert_same(
        results(copy, make_texts()), results(make_policy(deepcopy(copy.lm), fast_path=False), make_texts()), 1e-4
    )
    assert policy.reference().is_packed
    assert not make_policy(make_kind("llama"), fast_path=False).reference().is_packed
