"""The sampler against transformers' generate, against plain forward passes, and against itself in other batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reft_lab.errors import BadInput
from reft_lab.policy.model import Policy
from reft_lab.policy.sampling import batch, response_limits, sample
from reft_lab.policy.scoring import score_all
from reft_lab.randomness import generator, key, uniforms
from tests.small_models import FAMILIES, make_model

EOS, PAD, CAP = 5, 0, 24


def make_prompts(n: int, vocabulary: int = 61) -> list[list[int]]:
    draw = generator("prompts", n)
    return [draw.integers(6, vocabulary, size=int(draw.integers(1, 30))).tolist() for _ in range(n)]


def policy_of(family: str) -> Policy:
    policy = Policy(make_model(family))
    torch.nn.init.normal_(policy.value_head.weight)
    return policy


@pytest.mark.parametrize("fast_path", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_equals_generate_token_for_token(family, fast_path):
    policy = Policy(make_model(family), fast_path=fast_path)
    prompts = make_prompts(13)
    ours = sample(policy, prompts, eos_id=EOS, pad_id=PAD, max_new_tokens=CAP, batch_size=13)
    for i, prompt in enumerate(prompts):
        ids = torch.tensor([prompt])  # one at a time: generate sees no padding
        theirs = policy.lm.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=CAP,
            do_sample=False,
            eos_token_id=EOS,
            pad_token_id=PAD,
        )[0, len(prompt) :].tolist()
        assert ours.lists()[i] == theirs
        assert ours.finished[i].item() == (theirs[-1] == EOS)


@pytest.mark.parametrize("looks", [1, 8])
@pytest.mark.parametrize("family", FAMILIES)
def test_each_response_may_have_a_limit_of_its_own(family, looks, monkeypatch):
    monkeypatch.setitem(batch.LOOK_EVERY, "cpu", looks)
    policy, prompts = policy_of(family), make_prompts(17)
    draws = uniforms([key("row", i) for i in range(17)], CAP)
    options = {"eos_id": EOS, "pad_id": PAD, "max_new_tokens": CAP, "uniforms": draws}
    free = sample(policy, prompts, batch_size=17, **options)
    limits = [1 + 5 * i % CAP for i in range(17)]
    done: dict[int, list[int]] = {}
    held = sample(
        policy,
        prompts,
        batch_size=6,
        limits=limits,
        on_finished=lambda rows, texts: done.update(zip(rows, texts, strict=True)),
        **options,
    )
    assert held.lists() == [row[:limit] for row, limit in zip(free.lists(), limits, strict=True)]
    assert held.lists() == [done[i] for i in range(17)]
    assert held.finished.tolist() == [row[-1] == EOS for row in held.lists()]
    assert not held.finished.all()
    for i, limit in enumerate(limits):
        assert not held.logprobs[i, limit:].any()


@pytest.mark.parametrize("family", FAMILIES)
def test_limits_lead_up_to_the_last_position_and_not_beyond(family):
    policy = policy_of(family)
    prompts = [make_prompts(1)[0][:1] * length for length in (500, 3, 511, 300)]
    limits = response_limits(prompts, 300, 2000, policy.positions)
    assert limits == [12, 300, 1, 212]
    draws = uniforms([key("row", i) for i in range(4)], 300)
    sampled = sample(
        policy, prompts, eos_id=60, pad_id=PAD, max_new_tokens=300, batch_size=4, limits=limits, uniforms=draws
    )
    assert all(len(row) <= limit for row, limit in zip(sampled.lists(), limits, strict=True))
    assert response_limits(prompts, 300, 505, policy.positions) == [5, 300, -6, 205]
    assert response_limits(prompts, 300, None, policy.positions) == [300] * 4


@pytest.mark.parametrize("family", FAMILIES)
def test_draws_logprobs_and_values_do_not_depend_on_the_batch(family):
    policy = policy_of(family)
    prompts = make_prompts(17)
    draws = uniforms([key("row", i) for i in range(17)], CAP)
    options = {"eos_id": EOS, "pad_id": PAD, "max_new_tokens": CAP}
    whole = sample(policy, prompts, batch_size=17, uniforms=draws, **options)
    parts = sample(policy, prompts, batch_size=4, uniforms=draws, **options)
    order = list(reversed(range(17)))
    turned = sample(policy, [prompts[i] for i in order], batch_size=7, uniforms=draws[order], **options)
    assert whole.lists() == parts.lists() == list(reversed(turned.lists()))
    assert len({tuple(r) for r in whole.lists()}) > 10
    torch.testing.assert_close(whole.logprobs, parts.logprobs, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(whole.values, parts.values, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_kept_logprobs_and_values_are_those_of_a_forward_pass(family):
    """Left padding, the cache and position ids leave no trace: a plain unpadded forward pass says the same."""
    policy = policy_of(family)
    prompts = make_prompts(9)
    sampled = sample(
        policy,
        prompts,
        eos_id=EOS,
        pad_id=PAD,
        max_new_tokens=CAP,
        batch_size=9,
        uniforms=uniforms([key(i) for i in range(9)], CAP),
    )
    for i, (prompt, response) in enumerate(zip(prompts, sampled.lists(), strict=True)):
        with torch.no_grad():
            output = policy.lm(torch.tensor([prompt + response]), output_hidden_states=True)
            hidden = policy.lm.base_model(torch.tensor([prompt + response])).last_hidden_state[0]
        span = slice(len(prompt) - 1, len(prompt) + len(response) - 1)
        expected = output.logits[0, span].float().log_softmax(-1)
        chosen = expected.gather(1, torch.tensor(response)[:, None])[:, 0]
        n = len(response)
        torch.testing.assert_close(sampled.logprobs[i, :n], chosen, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(sampled.entropies[i, :n], -(expected.exp() * expected).sum(-1), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(sampled.values[i, :n], policy.values(hidden[span]), atol=1e-4, rtol=1e-4)
        assert not sampled.logprobs[i, n:].any()
        assert not sampled.mask[i, n:].any()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("budget", [64, 100_000])
def test_scoring_equals_sampling_whatever_the_buckets(family, budget):
    policy = policy_of(family)
    prompts = make_prompts(11)
    sampled = sample(
        policy,
        prompts,
        eos_id=EOS,
        pad_id=PAD,
        max_new_tokens=CAP,
        batch_size=11,
        uniforms=uniforms([key(i) for i in range(11)], CAP),
    )
    logprobs, values = score_all(policy, prompts, sampled.lists(), pad_id=PAD, tokens_per_micro_batch=budget)
    torch.testing.assert_close(logprobs, sampled.logprobs, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(values, sampled.values, atol=1e-4, rtol=1e-4)


def test_the_full_distribution_is_sampled():
    """Frequencies of the first token follow the model's own distribution (chi-square, seeded)."""
    from scipy.stats import chisquare

    policy = policy_of("llama")
    n, prompt = 4000, [7, 8, 9]
    sampled = sample(
        policy,
        [prompt] * n,
        eos_id=EOS,
        pad_id=PAD,
        max_new_tokens=1,
        batch_size=500,
        uniforms=uniforms([key("draw", i) for i in range(n)], 1),
    )
    with torch.no_grad():
        probs = policy.lm(torch.tensor([prompt])).logits[0, -1].double().softmax(-1).numpy()
    counts = np.bincount(sampled.tokens[:, 0].numpy(), minlength=61)
    common = probs * n >= 5
    observed = np.append(counts[common], counts[~common].sum())
    expected = np.append(probs[common], probs[~common].sum()) * n
    keep = expected > 0
    assert chisquare(observed[keep], expected[keep]).pvalue > 1e-3


def test_a_sampled_pad_token_is_an_ordinary_token():
    """Masks are carried, not derived from ids: with the pad id among the likely tokens it is sampled and counted."""
    policy = policy_of("llama")
    prompts = make_prompts(6)
    options = {"eos_id": EOS, "max_new_tokens": CAP, "batch_size": 6}
    draws = uniforms([key(i) for i in range(6)], CAP)
    plain = sample(policy, prompts, pad_id=PAD, uniforms=draws, **options)
    common = int(torch.tensor([t for r in plain.lists() for t in r if t != EOS]).mode().values)
    other = sample(policy, prompts, pad_id=common, uniforms=draws, **options)
    assert plain.lists() == other.lists()
    assert other.mask.sum() == plain.mask.sum()


def test_stops_early_and_reports_truncation():
    policy = policy_of("llama")
    with torch.no_grad():
        policy.lm.lm_head.weight.zero_()  # all tokens alike: the draw alone decides
    always_eos = np.full((3, CAP), (EOS + 0.5) / 61)
    never_eos = np.full((3, CAP), (EOS + 1.5) / 61)
    options = {"eos_id": EOS, "pad_id": PAD, "max_new_tokens": CAP, "batch_size": 3}
    ended = sample(policy, [[7], [8, 9], [10]], uniforms=always_eos, **options)
    assert ended.tokens.shape == (3, 1)
    assert ended.finished.all()
    cut = sample(policy, [[7], [8, 9], [10]], uniforms=never_eos, **options)
    assert cut.mask.sum() == 3 * CAP
    assert not cut.finished.any()


@pytest.mark.parametrize("batch_size", [3, 20])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_every_response_is_handed_out_once_and_complete_while_others_are_written(family, batch_size):
    policy = policy_of(family)
    prompts = make_prompts(20)
    handed: list[tuple[list[int], list[list[int]]]] = []
    progress: list[tuple[int, int]] = []
    sampled = sample(
        policy,
        prompts,
        eos_id=EOS,
        pad_id=PAD,
        max_new_tokens=60,
        batch_size=batch_size,
        uniforms=uniforms([key(i) for i in range(20)], 60),
        on_finished=lambda rows, responses: handed.append((rows, responses)),
        on_progress=lambda done: progress.append((done, sum(len(rows) for rows, _ in handed))),
    )
    together = {i: r for rows, responses in handed for i, r in zip(rows, responses, strict=True)}
    assert sum(len(rows) for rows, _ in handed) == 20
    assert [together[i] for i in range(20)] == sampled.lists()
    assert progress == [(n, n) for n in [*range(batch_size, 20, batch_size), 20]]
    assert len(handed) > len(progress)  # the short ones did not wait for the longest
    if batch_size == 20:
        first = max(len(r) for r in handed[0][1])
        assert first < sampled.mask.sum(1).max()


def test_temperature_and_restrictions_change_draws_and_nothing_that_is_reported():
    policy = policy_of("llama")
    prompts = make_prompts(12)
    options = {"eos_id": EOS, "pad_id": PAD, "max_new_tokens": CAP, "batch_size": 12}
    draws = uniforms([key(i) for i in range(12)], CAP)
    greedy = sample(policy, prompts, **options)
    for restriction in ({"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-4}):
        assert sample(policy, prompts, uniforms=draws, **restriction, **options).lists() == greedy.lists()
    narrow = sample(policy, prompts, uniforms=draws, temperature=0.7, top_k=5, top_p=0.9, **options)
    wide = sample(policy, prompts, uniforms=draws, **options)
    assert narrow.lists() != wide.lists()
    assert narrow.logprobs.sum() / narrow.mask.sum() > wide.logprobs.sum() / wide.mask.sum()
    logprobs, _ = score_all(policy, prompts, narrow.lists(), pad_id=PAD, tokens_per_micro_batch=1000)
    torch.testing.assert_close(narrow.logprobs, logprobs, atol=1e-4, rtol=1e-4)
    with pytest.raises(BadInput, match="top_k=0"):
        sample(policy, prompts, uniforms=draws, top_k=0, **options)


def test_rarer_looks_at_what_is_finished_change_nothing(monkeypatch):
    policy = policy_of("llama")
    prompts = make_prompts(20)
    handed: list[int] = []
    options = {"eos_id": EOS, "pad_id": PAD, "max_new_tokens": 60, "batch_size": 20}
    draws = uniforms([key(i) for i in range(20)], 60)
    plain = sample(policy, prompts, uniforms=draws, **options)
    monkeypatch.setitem(batch.LOOK_EVERY, "cpu", 8)
    rarer = sample(policy, prompts, uniforms=draws, on_finished=lambda rows, _: handed.extend(rows), **options)
    assert rarer.lists() == plain.lists()
    assert torch.equal(rarer.mask, plain.mask)
    assert torch.equal(rarer.finished, plain.finished)
    torch.testing.assert_close(rarer.logprobs, plain.logprobs, atol=1e-4, rtol=1e-4)
    assert sorted(handed) == list(range(20))


def test_no_prompts_are_no_responses():
    sampled = sample(policy_of("llama"), [], eos_id=EOS, pad_id=PAD, max_new_tokens=CAP, batch_size=3)
    assert sampled.lists() == []
    assert sampled.tokens.shape == (0, 0)
