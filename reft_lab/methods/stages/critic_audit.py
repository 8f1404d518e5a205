"""Monte-Carlo values of states along a policy's responses, to hold its critic against (VinePPO, 2410.01679)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from reft_lab.equations.credit import kl_estimate, rewards
from reft_lab.errors import phase
from reft_lab.evaluation.critic import States, agreement
from reft_lab.evaluation.settings import AuditConfig
from reft_lab.methods.settings import PPOConfig
from reft_lab.methods.stages.asking import Asking, Batch
from reft_lab.policy.model import Policy
from reft_lab.policy.scoring import score_all
from reft_lab.randomness import generator, key, permutation

AUDIT = "critic audit"
AUDIT_SECONDS = "time/audit_seconds"


def critic_states(
    policy: Policy,
    reference: Policy | None,
    asking: Asking,
    audit: AuditConfig,
    *,
    step: int,
    tokens_per_micro_batch: int,
    on_progress: Callable[[int], None] | None = None,
) -> States:
    """What the critic expects in some states, and the returns of continuations that the policy samples from them.

    The policy answers `audit.critic_problems` questions once each, as in training. Of each response there are
    `audit.critic_states` states, one in each of so many equal parts, and from each the policy goes on
    `audit.critic_continuations` times. A return is what the critic learns: the terminal reward with the penalty of long
    responses, and the KL penalty of every token from the state on, discounted by gamma. The same questions and draws
    are taken each time, so that audits of one run differ by its policy and critic alone. Nothing is changed.

    Args:
        policy: with a critic.
        reference: pi_0; None does where there is no KL penalty in the reward.
        asking: how questions are put to it, with the settings of PPO.
        audit: how much is sampled.
        step: iterations done, for a reward that asks.
        on_progress: called with the number of responses whose states are done.
    """
    seed, names = asking.seed, asking.names
    budget = {"pad_id": asking.pad_id, "tokens_per_micro_batch": tokens_per_micro_batch}
    chosen = permutation(len(names), seed, AUDIT, "questions")[: audit.critic_problems]
    first = asking.ask(policy, chosen, [key(seed, AUDIT, "response", names[q]) for q in chosen], step=step)
    responses = first.sampled.lists()
    with phase("scoring"):
        _, values = score_all(policy, first.prompts, responses, **budget)
    assert values is not None
    places = [
        _places(len(response), audit.critic_states, float(generator(seed, AUDIT, "places", names[q]).random()))
        for q, response in zip(chosen, responses, strict=True)
    ]
    count, found = audit.critic_continuations, []
    at_once = max(1, asking.decode_batch // (audit.critic_states * count))
    for start in range(0, len(chosen), at_once):
        states = [(i, t) for i in range(start, min(start + at_once, len(chosen))) for t in places[i]]
        every = [(i, t, k) for i, t in states for k in range(count)]
        batch = asking.ask(
            policy,
            [chosen[i] for i, _, _ in every],
            [key(seed, AUDIT, "continuation", names[chosen[i]], t, k) for i, t, k in every],
            begun=[responses[i][:t] for i, t, _ in every],
            step=step,
        )
        found.append(_returns(batch, reference, asking.config, budget).view(len(states), count))
        if on_progress is not None:
            on_progress(min(start + at_once, len(chosen)))
    where = [(i, t) for i in range(len(chosen)) for t in places[i]]
    return States.of(
        response=np.array([i for i, _ in where]),
        place=np.array([(t + 0.5) / len(responses[i]) for i, t in where]),
        values=np.array([values[i, t].item() for i, t in where]),
        returns=torch.cat(found).double().numpy(),
    )


def critic_metrics(states: States) -> dict[str, float]:
    """The critic/... metrics of docs/metrics.md."""
    found = agreement(states)
    numbers = {
        "critic/explained_variance": found.explained_variance,
        "critic/attainable": found.attainable,
        "critic/rank_correlation": found.rank_correlation,
        "critic/bias": found.bias,
    }
    return {name: 0.0 if number is None else number for name, number in numbers.items()}


def _places(length: int, count: int, offset: float) -> list[int]:
    """So many places among `length` tokens, one in each of equal parts; all where there are no more of them."""
    parts = min(count, length)
    return [int((part + offset) * length / parts) for part in range(parts)]


def _returns(batch: Batch, reference: Policy | None, config: PPOConfig, budget: dict[str, int]) -> Tensor:
    """The discounted reward of each continuation, from its first token on (B,)."""
    sampled = batch.sampled
    kl, kl_coef = torch.zeros_like(sampled.logprobs), config.kl_coef if config.kl_in == "reward" else 0.0
    if kl_coef and reference is not None:
        with phase("scoring"):
            ref_logprobs, _ = score_all(reference, batch.prompts, sampled.lists(), **budget)
        kl = kl_estimate(sampled.logprobs, ref_logprobs, config.kl_estimator) * sampled.mask
    scores = torch.tensor(batch.scores, dtype=torch.float32) + batch.penalties
    total = rewards(scores, kl, sampled.mask, kl_coef)
    discount = config.gamma ** torch.arange(total.shape[1], dtype=total.dtype)
    return (total * discount).sum(1)
