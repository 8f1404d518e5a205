"""Choosing tokens: restrictions against transformers' own, and drawing from rows of any length."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from reft_lab.errors import BadInput
from reft_lab.policy.sampling.choice import LONG_ROW, Restriction, choose, invert


def make_logits(rows: int, vocabulary: int) -> torch.Tensor:
    return 3 * torch.randn(rows, vocabulary, generator=torch.Generator().manual_seed(vocabulary))


@pytest.mark.parametrize("temperature", [1.0, 0.7, 1.6])
@pytest.mark.parametrize("top_k", [None, 1, 50, 10_000])
@pytest.mark.parametrize("top_p", [None, 0.05, 0.9, 1.0])
def test_restrictions_are_those_of_transformers(temperature, top_k, top_p):
    logits = make_logits(20, 300)
    theirs = LogitsProcessorList()
    if temperature != 1:
        theirs.append(TemperatureLogitsWarper(temperature))
    if top_k is not None:
        theirs.append(TopKLogitsWarper(top_k))
    if top_p is not None:
        theirs.append(TopPLogitsWarper(top_p))
    expected = theirs(torch.zeros(20, 1, dtype=torch.long), logits.clone())
    torch.testing.assert_close(Restriction(temperature, top_k, top_p).apply(logits), expected)


def test_restricted_draws_follow_the_restricted_distribution_and_report_the_full_one():
    """Draws at evenly spaced uniforms hit each token as often as its probability says."""
    n = 20_000
    logits = make_logits(1, 40).expand(n, -1)
    tokens, logprobs, entropies = choose(logits, (torch.arange(n).double() + 0.5) / n, Restriction(0.8, 10, 0.9))
    expected = Restriction(0.8, 10, 0.9).apply(logits[:1]).softmax(-1)[0]
    shares = torch.bincount(tokens, minlength=40) / n
    torch.testing.assert_close(shares, expected, atol=2 / n, rtol=0)
    full = logits[0].log_softmax(-1)
    torch.testing.assert_close(logprobs, full[tokens])
    torch.testing.assert_close(entropies, torch.full((n,), -(full.exp() * full).sum().item()))


def test_greedy_takes_the_most_probable_token_and_the_first_of_equals():
    logits = make_logits(50, 300)
    logits[7, [20, 30]] = 100.0
    tokens, logprobs, _ = choose(logits, None, Restriction())
    assert torch.equal(tokens, logits.argmax(-1))
    assert tokens[7] == 20
    torch.testing.assert_close(logprobs, logits.log_softmax(-1).amax(-1))


@pytest.mark.parametrize("vocabulary", [1, 7, LONG_ROW, LONG_ROW + 1, LONG_ROW + 64, 9999])
def test_inverting_finds_the_token_where_the_cumulative_sum_passes(vocabulary):
    weights = make_logits(64, vocabulary).softmax(-1)
    uniforms = torch.from_numpy(np.random.default_rng(0).random(64))
    cumulative = weights.double().cumsum(-1)
    expected = (cumulative <= uniforms[:, None] * cumulative[:, -1:]).sum(-1)
    assert torch.equal(invert(weights, uniforms), expected)


@pytest.mark.parametrize("vocabulary", [300, LONG_ROW + 100])
@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-53])
def test_a_token_of_weight_zero_is_never_drawn(vocabulary, uniform):
    """Not even at the ends of the unit interval."""
    weights = make_logits(32, vocabulary).softmax(-1)
    weights[:, :70] = 0
    weights[:, -70:] = 0
    tokens = invert(weights, torch.full((32,), uniform, dtype=torch.float64))
    assert (weights.gather(1, tokens[:, None]) > 0).all()


@pytest.mark.parametrize("vocabulary", [300, LONG_ROW + 100])
def test_what_is_not_finite_still_gives_a_token(vocabulary):
    weights = torch.full((3, vocabulary), torch.nan)
    tokens = invert(weights, torch.tensor([0.0, 0.5, 0.9], dtype=torch.float64))
    assert ((tokens >= 0) & (tokens < vocabulary)).all()


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_k": 0}, "top_k=0"),
        ({"top_p": 0.0}, "top_p=0.0"),
        ({"top_p": 1.1}, r"top_p=1\.1"),
    ],
)
def test_settings_out_of_range_are_one_sentence(options, name):
    with pytest.raises(BadInput, match=name):
        Restriction(**options)
