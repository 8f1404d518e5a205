"""The equations against literal loops and against reference values computed from the released code's formulas."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from reft_lab.equations.credit import gae, kl_estimate, returns, rewards, td_errors, whiten
from reft_lab.equations.losses import policy_loss, token_weights, value_loss
from reft_lab.equations.positions import position_means

BATCHES = json.loads((Path(__file__).parent / "rollout_batches.json").read_text())


def tensor(rows: list, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor(rows, dtype=dtype)


def shifted(rows: list) -> torch.Tensor:
    """Entry t scores ids[t+1]; the last position of a row predicts nothing."""
    x = tensor(rows)
    return torch.cat([x, torch.zeros_like(x[:, :1])], dim=1)


@pytest.mark.parametrize("batch", BATCHES, ids=lambda b: f"beta={b['kl_coef']},gamma={b['gamma']},lam={b['lam']}")
def test_reference_values(batch):
    expect = batch["expect"]
    mask = tensor(expect["mask"])
    old, ref, new = (shifted(batch[k]) for k in ("old_logprob", "ref_logprob", "new_logprob"))
    values, new_values = tensor(batch["values"]), tensor(batch["new_values"])

    r = rewards(tensor(batch["correctness"]), kl_estimate(old, ref), mask, batch["kl_coef"])
    adv = gae(td_errors(r, values, mask, batch["gamma"]), mask, batch["gamma"], batch["lam"])
    ret = returns(adv, values, mask)
    white = whiten(adv, mask)
    for ours, key in ((r, "rewards"), (adv, "adv"), (ret, "returns"), (white, "whitened")):
        torch.testing.assert_close(ours, tensor(expect[key]), atol=1e-5, rtol=1e-5)

    # Flattened response tokens with the mini-batch's weights, as the update computes them.
    on = mask.bool()
    lengths = on.sum(1).tolist()
    weights = torch.repeat_interleave(tensor(token_weights(lengths, "sequence")), torch.tensor(lengths))
    pg = (weights * policy_loss(new[on], old[on], white[on], 0.2)).sum()
    vf = (weights * value_loss(new_values[on], values[on], ret[on], 0.2)).sum()
    assert pg.item() == pytest.approx(expect["pg_loss"], abs=1e-5)
    assert vf.item() == pytest.approx(expect["vf_loss"], abs=1e-5)
    assert (pg + 5 * vf).item() == pytest.approx(expect["loss"], abs=1e-5)


def random_batch(seed: int):
    g = torch.Generator().manual_seed(seed)
    b, t = 5, 9
    lengths = torch.randint(1, t + 1, (b,), generator=g)
    mask = torch.arange(t)[None] < lengths[:, None]
    logprobs, ref, values = (torch.randn(b, t, generator=g, dtype=torch.float64) for _ in range(3))
    scores = torch.rand(b, generator=g, dtype=torch.float64)
    return mask, lengths.tolist(), logprobs, ref, values, scores


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 0.95), (0.95, 1.0), (0.9, 0.0), (0.0, 0.7)])
def test_rewards_advantages_returns_against_loops(seed, gamma, lam):
    mask, lengths, logprobs, ref, values, scores = random_batch(seed)
    r = rewards(scores, kl_estimate(logprobs, ref), mask, 0.05)
    adv = gae(td_errors(r, values, mask, gamma), mask, gamma, lam)
    ret = returns(adv, values, mask)
    for i, length in enumerate(lengths):
        r_loop = [-0.05 * (logprobs[i, t] - ref[i, t]).item() for t in range(length)]
        r_loop[-1] += scores[i].item()
        v = [values[i, t].item() for t in range(length)] + [0.0]
        delta = [-v[t] + r_loop[t] + gamma * v[t + 1] for t in range(length)]
        for t in range(length):
            a = sum((gamma * lam) ** k * delta[t + k] for k in range(length - t))
            assert r[i, t].item() == pytest.approx(r_loop[t], abs=1e-9)
            assert adv[i, t].item() == pytest.approx(a, abs=1e-9)
            assert ret[i, t].item() == pytest.approx(a + v[t], abs=1e-9)
        for x in (r, adv, ret):
            assert (x[i, length:] == 0).all()


def test_values_beyond_the_response_change_nothing():
    mask, _, logprobs, ref, values, scores = random_batch(7)
    r = rewards(scores, kl_estimate(logprobs, ref), mask, 0.05)
    noisy = torch.where(mask, values, torch.full_like(values, 1e3))
    plain, other = (gae(td_errors(r, v, mask, 0.9), mask, 0.9, 0.9) for v in (values, noisy))
    torch.testing.assert_close(plain, other)


def test_kl_estimators():
    logprobs, ref = torch.tensor([-1.0, -0.2, -3.0]), torch.tensor([-1.5, -0.2, -2.0])
    d = [0.5, 0.0, -1.0]
    for name, expected in (
        ("k1", d),
        ("k2", [x * x / 2 for x in d]),
        ("k3", [math.exp(-x) - 1 + x for x in d]),
    ):
        assert kl_estimate(logprobs, ref, name).tolist() == pytest.approx(expected, abs=1e-6)
    # k1 and k3 are unbiased: their exact expectation under pi is KL(pi || pi_0).
    p, q = torch.tensor([0.5, 0.3, 0.2]).double(), torch.tensor([0.2, 0.3, 0.5]).double()
    kl = (p * (p / q).log()).sum().item()
    for name in ("k1", "k3"):
        assert (p * kl_estimate(p.log(), q.log(), name)).sum().item() == pytest.approx(kl, abs=1e-12)
    with pytest.raises(ValueError, match="k9"):
        kl_estimate(logprobs, ref, "k9")


@pytest.mark.parametrize("seed", range(3))
def test_losses_and_averages_against_loops(seed):
    mask, lengths, new, old, values, _ = random_batch(seed)
    adv, ret, old_values = new.roll(1, 0), new.roll(1, 1), values + 0.1 * old
    n = len(lengths)
    for average in ("sequence", "token"):
        weights = token_weights(lengths, average)
        flat = torch.repeat_interleave(torch.tensor(weights, dtype=torch.float64), torch.tensor(lengths))
        pg = (flat * policy_loss(new[mask], old[mask], adv[mask], 0.2)).sum().item()
        vf = (flat * value_loss(values[mask], old_values[mask], ret[mask], 0.2)).sum().item()
        pg_rows, vf_rows = [], []
        for i, length in enumerate(lengths):
            for t in range(length):
                ratio = math.exp(new[i, t] - old[i, t])
                a = adv[i, t].item()
                pg_rows.append((i, -min(ratio * a, min(max(ratio, 0.8), 1.2) * a)))
                v, v0, target = values[i, t].item(), old_values[i, t].item(), ret[i, t].item()
                clipped = min(max(v, v0 - 0.2), v0 + 0.2)
                vf_rows.append((i, 0.5 * max((v - target) ** 2, (clipped - target) ** 2)))
        for ours, rows in ((pg, pg_rows), (vf, vf_rows)):
            if average == "token":
                expected = sum(x for _, x in rows) / len(rows)
            else:
                expected = sum(sum(x for j, x in rows if j == i) / lengths[i] for i in range(n)) / n
            assert ours == pytest.approx(expected, abs=1e-9)


def test_value_loss_without_clip_is_half_the_squared_error():
    v, r = torch.tensor([1.0, 3.0]), torch.tensor([0.0, 1.0])
    assert value_loss(v, torch.zeros(2), r, None).tolist() == [0.5, 2.0]


def test_whitening_leaves_mean_zero_variance_one_and_survives_one_token():
    mask, _, x, *_ = random_batch(3)
    white = whiten(x, mask)[mask]
    assert white.mean().item() == pytest.approx(0, abs=1e-9)
    assert white.var().item() == pytest.approx(1, abs=1e-6)
    one = torch.zeros_like(mask)
    one[0, 0] = True
    assert torch.isfinite(whiten(x, one)).all()


@pytest.mark.parametrize("seed", range(3))
def test_position_means_against_a_literal_loop(seed):
    mask, lengths, x, _, _, _ = random_batch(seed)
    for parts in (1, 3, 10):
        found: list[list[float]] = [[] for _ in range(parts)]
        for row, n in enumerate(lengths):
            for i in range(n):
                found[math.floor(Fraction(2 * i + 1, 2 * n) * parts)].append(x[row, i].item())
        expect = [math.fsum(values) / len(values) if values else None for values in found]
        for ours, theirs in zip(position_means(x, mask, parts), expect, strict=True):
            assert ours == (None if theirs is None else pytest.approx(theirs))


def test_a_response_of_ten_tokens_has_one_in_each_tenth():
    x = torch.arange(12.0)[None]
    assert position_means(x, torch.arange(12)[None] < 10) == list(range(10))
    assert position_means(x, torch.arange(12)[None] < 1) == [None] * 5 + [0.0] + [None] * 4
