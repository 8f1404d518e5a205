"""The switches of the loss against literal loops, and which gradient each KL penalty has."""

from __future__ import annotations

import math

import pytest
import torch

from reft_lab.equations.credit import kl_estimate
from reft_lab.equations.losses import importance_weights, policy_loss, token_weights


def random_tokens(seed: int, n: int = 200) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Log-probabilities far enough apart that every bound is met, and advantages of both signs."""
    g = torch.Generator().manual_seed(seed)
    new, old, advantages = (torch.randn(n, generator=g, dtype=torch.float64) for _ in range(3))
    return new, old, advantages


@pytest.mark.parametrize(
    ("clip", "high", "dual"), [(0.2, None, None), (0.2, 0.28, None), (0.2, None, 3.0), (0.1, 0.4, 1.5)]
)
def test_the_policy_loss_against_a_literal_loop(clip, high, dual):
    new, old, advantages = random_tokens(0)
    found = policy_loss(new, old, advantages, clip, high, dual)
    bounded = 0
    for i, a in enumerate(advantages.tolist()):
        ratio = math.exp(new[i].item() - old[i].item())
        objective = min(ratio * a, min(max(ratio, 1 - clip), 1 + (clip if high is None else high)) * a)
        if dual is not None and a < 0:
            bounded += objective < dual * a
            objective = max(objective, dual * a)
        assert found[i].item() == pytest.approx(-objective, abs=1e-12)
    assert dual is None or bounded > 5


def test_a_token_beyond_the_dual_clip_has_no_gradient():
    new = torch.tensor([2.0, 2.0, 0.5], requires_grad=True)
    policy_loss(new, torch.zeros(3), torch.tensor([-1.0, 1.0, -1.0]), 0.2, None, 3.0).sum().backward()
    assert new.grad.tolist() == [0.0, 0.0, pytest.approx(math.exp(0.5))]


def test_the_constant_average_divides_by_the_same_length_whatever_a_response_has():
    lengths, length = [3, 1, 7], 10
    losses = [[0.5, -1.0, 2.0], [4.0], [1.0, 2.0, 3.0, -4.0, 5.0, 6.0, 7.0]]
    expected = sum(sum(loss) / length for loss in losses) / len(losses)
    weights = token_weights(lengths, "constant", length)
    assert sum(w * sum(loss) for w, loss in zip(weights, losses, strict=True)) == pytest.approx(expected)
    with pytest.raises(ValueError, match="mean"):
        token_weights(lengths, "mean")


def test_importance_weights_are_ratios_up_to_the_cap():
    new, old, _ = random_tokens(1)
    for weight, a, b in zip(importance_weights(new, old, 2.0).tolist(), new.tolist(), old.tolist(), strict=True):
        assert weight == pytest.approx(min(math.exp(a - b), 2.0))


def gradient(of: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(of, logits)[0]


def test_which_gradient_each_kl_penalty_has():
    """docs/methods.md, exactly, as expectations over a small distribution: KL of pi to pi_0, and of pi_0 to pi."""
    g = torch.Generator().manual_seed(3)
    logits = torch.randn(6, generator=g, dtype=torch.float64, requires_grad=True)
    ref = torch.randn(6, generator=g, dtype=torch.float64).log_softmax(0)
    logprobs = logits.log_softmax(0)
    probs, sampled = logprobs.exp(), logprobs.exp().detach()
    reverse = gradient((probs * (logprobs - ref)).sum(), logits)
    logprobs = logits.log_softmax(0)
    forward = gradient((ref.exp() * (ref - logprobs)).sum(), logits)
    assert not torch.allclose(reverse, forward, atol=0.1)

    def in_reward(estimator: str) -> torch.Tensor:
        """Policy gradient of a penalty that is a number: E[estimate grad log pi]."""
        logprobs = logits.log_softmax(0)
        return gradient((sampled * kl_estimate(logprobs.detach(), ref, estimator) * logprobs).sum(), logits)

    def in_loss(estimator: str) -> torch.Tensor:
        """Gradient through the estimate, its tokens as they were sampled: E[grad estimate]."""
        return gradient((sampled * kl_estimate(logits.log_softmax(0), ref, estimator)).sum(), logits)

    torch.testing.assert_close(in_reward("k1"), reverse)
    torch.testing.assert_close(in_reward("k3"), reverse - forward)
    assert not torch.allclose(in_reward("k2"), reverse, atol=0.1)
    torch.testing.assert_close(in_loss("k1"), torch.zeros(6).double())
    torch.testing.assert_close(in_loss("k2"), reverse)
    torch.testing.assert_close(in_loss("k3"), forward)
