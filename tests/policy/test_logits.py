"""Scales and caps of logits: found in models that have them, and computed as those compute them."""

from __future__ import annotations

import pytest
import torch

from reft_lab.policy import head
from reft_lab.policy.logits import LogitTransform, logit_transform, tried_transform
from reft_lab.policy.model import Policy
from tests.small_models import make_kind

TRANSFORMS = [LogitTransform(0.25), LogitTransform(cap=2.0), LogitTransform(3.0, 1.5)]


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        ("llama", {}, LogitTransform()),
        ("granite", {"logits_scaling": 8.0}, LogitTransform(1 / 8)),
        ("granite", {"logits_scaling": 1.0}, LogitTransform()),
        ("cohere", {"logit_scale": 0.3}, LogitTransform(0.3)),
        ("gemma2", {"final_logit_softcapping": 20.0}, LogitTransform(cap=20.0)),
        ("gemma2", {"final_logit_softcapping": 50.0, "attn_logit_softcapping": 30.0}, LogitTransform(cap=50.0)),
        ("gemma2", {"final_logit_softcapping": None}, LogitTransform()),
        ("gemma3_text", {"final_logit_softcapping": 30.0}, LogitTransform(cap=30.0)),
    ],
)
@pytest.mark.parametrize("size", [1e-3, 1.0])
def test_it_is_found_whatever_the_size_of_the_weights(kind, changes, expected, size):
    lm = make_kind(kind, **changes)
    with torch.no_grad():
        lm.get_output_embeddings().weight.mul_(size)
    assert tried_transform(lm) == logit_transform(lm) == Policy(lm, critic=False).logit_transform == expected


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("rows", [7, 100])
def test_in_chunks_it_has_the_log_probs_entropies_and_gradients_of_all_logits(monkeypatch, transform, rows):
    torch.manual_seed(0)
    vocabulary, size, tokens = 50, 3, 33
    monkeypatch.setattr(head, "LOGITS", rows * vocabulary)
    inputs = [torch.randn(shape, requires_grad=True) for shape in ((tokens, size), (vocabulary, size), (vocabulary,))]
    targets = torch.randint(0, vocabulary, (tokens,))
    a, b = torch.randn(2, tokens)

    logits = torch.nn.functional.linear(*inputs) * transform.scale
    if transform.cap is not None:
        logits = transform.cap * (logits / transform.cap).tanh()
    everything = logits.log_softmax(-1)
    expected = everything[range(tokens), targets], -(everything.exp() * everything).sum(-1)
    found = head.target_logprobs_and_entropies(*inputs, targets, transform)
    assert torch.equal(found[0], head.target_logprobs(*inputs, targets, transform))
    losses = [a @ logprobs + b @ entropies for logprobs, entropies in (found, expected)]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)
    for one, other in zip(*(torch.autograd.grad(loss, inputs) for loss in losses), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
