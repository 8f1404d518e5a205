"""Packing, micro-batches, and log-probabilities that never hold all logits."""

from __future__ import annotations

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from reft_lab.policy import head
from reft_lab.policy.model import Policy
from reft_lab.policy.packing import Sequences, micro_batches
from reft_lab.policy.scoring import score, score_all, score_packed
from reft_lab.randomness import generator
from tests.small_models import FAMILIES, make_model


def make_texts(n: int, vocabulary: int = 61) -> tuple[list[list[int]], list[list[int]]]:
    draw = generator("texts", n)
    prompts = [draw.integers(0, vocabulary, size=int(draw.integers(1, 20))).tolist() for _ in range(n)]
    return prompts, [draw.integers(0, vocabulary, size=int(draw.integers(1, 15))).tolist() for _ in range(n)]


def test_packed_tokens_against_loops():
    prompts, responses = make_texts(9)
    chosen = [4, 0, 7]
    packed = Sequences(prompts, responses, pad_id=60).packed(chosen, torch.device("cpu"))

    whole = [prompts[i] + responses[i][:-1] for i in chosen]
    assert packed.ids.tolist() == [token for tokens in whole for token in tokens]
    ids, positions = packed.padded()
    for row, tokens in enumerate(whole):
        assert ids[row].tolist() == tokens + [60] * (ids.shape[1] - len(tokens))
        assert positions[row].tolist() == list(range(ids.shape[1]))
    assert packed.targets.tolist() == [token for i in chosen for token in responses[i]]
    assert packed.index.tolist() == [i for i in chosen for _ in responses[i]]
    assert packed.step.tolist() == [t for i in chosen for t in range(len(responses[i]))]
    assert packed.positions.tolist() == [place for tokens in whole for place in range(len(tokens))]
    expected = [(row, len(prompts[i]) - 1 + t) for row, i in enumerate(chosen) for t in range(len(responses[i]))]
    places = packed.rows.place[packed.predicting].tolist()
    assert [divmod(place, ids.shape[1]) for place in places] == expected
    assert packed.ids[packed.predicting].tolist() == [ids[place].item() for place in expected]


@pytest.mark.parametrize("tokens", [1, 30, 64, 10_000])
def test_micro_batches_hold_every_sequence_once_within_the_budget(tokens):
    lengths = generator("lengths").integers(1, 60, size=50).tolist()
    groups = micro_batches(lengths, tokens)
    assert sorted(i for group in groups for i in group) == list(range(50))
    for group in groups:
        assert len(group) == 1 or len(group) * max(lengths[i] for i in group) <= tokens


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_those_of_each_text_by_itself(family):
    policy = Policy(make_model(family))
    torch.nn.init.normal_(policy.value_head.weight)
    prompts, responses = make_texts(7)
    logprobs, values = score_all(policy, prompts, responses, pad_id=0, tokens_per_micro_batch=64)
    for i, (prompt, response) in enumerate(zip(prompts, responses, strict=True)):
        with torch.no_grad():
            hidden = policy.lm.base_model(torch.tensor([prompt + response])).last_hidden_state[0, len(prompt) - 1 : -1]
            expected = policy.lm.get_output_embeddings()(hidden).log_softmax(-1)[range(len(response)), response]
        torch.testing.assert_close(logprobs[i, : len(response)], expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(values[i, : len(response)], policy.values(hidden), atol=1e-4, rtol=1e-4)
        assert not logprobs[i, len(response) :].any()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rows", [1, 7, 100])
def test_log_probs_in_chunks_and_their_gradients_are_those_of_all_logits(monkeypatch, bias, rows):
    torch.manual_seed(0)
    vocabulary, size, tokens = 50, 3, 33
    monkeypatch.setattr(head, "LOGITS", rows * vocabulary)
    assert head.chunk_rows(vocabulary, 1) == rows
    hidden, weight = torch.randn(tokens, size, requires_grad=True), torch.randn(vocabulary, size, requires_grad=True)
    offset = torch.randn(vocabulary, requires_grad=True) if bias else None
    targets = torch.randint(0, vocabulary, (tokens,))
    upstream = torch.randn(tokens)
    inputs = [hidden, weight, *([offset] if offset is not None else [])]

    ours = head.target_logprobs(hidden, weight, offset, targets)
    theirs = torch.nn.functional.linear(hidden, weight, offset).log_softmax(-1)[range(tokens), targets]
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)
    for a, b in zip(
        torch.autograd.grad(ours, inputs, upstream), torch.autograd.grad(theirs, inputs, upstream), strict=True
    ):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rows", [1, 7, 100])
def test_entropies_in_chunks_and_their_gradients_are_those_of_all_logits(monkeypatch, bias, rows):
    torch.manual_seed(0)
    vocabulary, size, tokens = 50, 3, 33
    monkeypatch.setattr(head, "LOGITS", rows * vocabulary)
    hidden, weight = torch.randn(tokens, size, requires_grad=True), torch.randn(vocabulary, size, requires_grad=True)
    offset = torch.randn(vocabulary, requires_grad=True) if bias else None
    targets = torch.randint(0, vocabulary, (tokens,))
    inputs = [hidden, weight, *([offset] if offset is not None else [])]

    logprobs, entropies = head.target_logprobs_and_entropies(hidden, weight, offset, targets)
    assert torch.equal(logprobs, head.target_logprobs(hidden, weight, offset, targets))
    everything = torch.nn.functional.linear(hidden, weight, offset).log_softmax(-1)
    expected = torch.stack([-sum(x.exp() * x for x in row) for row in everything])
    torch.testing.assert_close(entropies, expected, atol=1e-6, rtol=1e-6)
    a, b = torch.randn(2, tokens)
    ours, theirs = a @ logprobs + b @ entropies, a @ everything[range(tokens), targets] + b @ expected
    for found, other in zip(torch.autograd.grad(ours, inputs), torch.autograd.grad(theirs, inputs), strict=True):
        torch.testing.assert_close(found, other, atol=1e-5, rtol=1e-5)


def test_a_token_that_cannot_come_adds_nothing_to_the_entropy():
    bias = torch.tensor([0.0, 0.0, -math.inf], requires_grad=True)
    hidden, weight = torch.zeros(1, 2, requires_grad=True), torch.ones(3, 2)
    _, entropies = head.target_logprobs_and_entropies(hidden, weight, bias, torch.tensor([0]))
    assert entropies.item() == pytest.approx(math.log(2))
    entropies.sum().backward()
    assert bias.grad.isfinite().all()


def test_a_head_that_is_not_trained_gets_no_gradient():
    torch.manual_seed(0)
    hidden, weight = torch.randn(5, 3, requires_grad=True), torch.randn(9, 3)
    head.target_logprobs(hidden, weight, None, torch.arange(5)).sum().backward()
    assert hidden.grad is not None
    assert weight.grad is None


class Largest(TorchDispatchMode):
    """Notes the most numbers that any tensor made within it has."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.numbers = max(self.numbers, tensor.numel())
        return result


def test_logits_of_a_large_vocabulary_are_never_held_at_once(monkeypatch):
    vocabulary = 5000
    monkeypatch.setattr(head, "LOGITS", 40 * vocabulary)
    policy = Policy(make_model("llama", vocabulary))
    prompts, responses = make_texts(40, vocabulary)
    tokens = sum(len(response) for response in responses)
    with Largest() as largest:
        scores = score(policy, prompts, responses, pad_id=0)
        (scores.logprobs.sum() + scores.values.sum()).backward()
        score_all(policy, prompts, responses, pad_id=0, tokens_per_micro_batch=10_000)
        sequences = Sequences(prompts, responses, pad_id=0)
        batch = sequences.packed(range(40), policy.device)
        score_packed(policy, batch, entropies=True).entropies.sum().backward()
    assert largest.numbers == 40 * vocabulary < tokens * vocabulary / 5
