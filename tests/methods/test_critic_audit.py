"""Monte-Carlo values of states: against one response at a time, and that measuring them changes nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from reft_lab.evaluation.settings import AuditConfig
from reft_lab.methods.stages.critic_audit import critic_states
from reft_lab.methods.stages.reinforcement import Reinforcement
from reft_lab.policy.scoring import score_all
from reft_lab.randomness import generator, key, permutation
from tests.methods import test_reft

AUDIT = AuditConfig(critic_every=2, critic_problems=5, critic_states=4, critic_continuations=3)
CONFIG = replace(test_reft.CONFIG, gamma=0.9, kl_coef=0.1, kl_estimator="k3", overlong_cache=0.5, value_init="random")


def trained(**changes) -> Reinforcement:
    """A stage after two iterations, so that the policy is no longer its reference."""
    stage = test_reft.make_stage(CONFIG, **changes)
    for _ in range(2):
        stage.iterate()
    return stage


def measured(stage: Reinforcement, audit: AuditConfig = AUDIT, **changes):
    options = {"step": 0, "tokens_per_micro_batch": 100_000} | changes
    return critic_states(stage.policy, stage.reference, stage.asking, audit, **options)


def test_returns_are_those_of_one_continuation_at_a_time() -> None:
    stage = trained()
    found = measured(stage)
    chosen = permutation(8, 0, "critic audit", "questions")[:5]
    budget = {"pad_id": 0, "tokens_per_micro_batch": 10_000}
    row = 0
    for number, q in enumerate(chosen):
        name = stage.asking.names[q]
        whole = stage.asking.ask(stage.policy, [q], [key(0, "critic audit", "response", name)])
        (response,) = whole.sampled.lists()
        _, values = score_all(stage.policy, whole.prompts, [response], **budget)
        offset, n = generator(0, "critic audit", "places", name).random(), len(response)
        places = [int((part + offset) * n / min(4, n)) for part in range(min(4, n))]
        assert len(set(places)) == len(places)
        for t in places:
            assert found.response[row] == number
            assert found.place[row] == pytest.approx((t + 0.5) / n)
            assert found.values[row] == pytest.approx(values[0, t].item(), abs=1e-5)
            for k in range(3):
                keys = [key(0, "critic audit", "continuation", name, t, k)]
                batch = stage.asking.ask(stage.policy, [q], keys, begun=[response[:t]])
                (added,) = batch.sampled.lists()
                full = response[:t] + added
                assert len(full) <= CONFIG.max_new_tokens
                prompt = stage.asking.prompts[q]
                ours, _ = score_all(stage.policy, [prompt], [full], **budget)
                base, _ = score_all(stage.reference, [prompt], [full], **budget)
                log_ratio = (ours - base)[0, t:].double()
                kl = ((-log_ratio).exp() - 1 + log_ratio).tolist()
                score = float(full[0] % 2 == 0) + min(0.0, (5 - len(full)) / 5)
                rewards = [-0.1 * x for x in kl]
                rewards[-1] += score
                by_hand = sum(0.9**i * reward for i, reward in enumerate(rewards))
                assert found.returns[row, k] == pytest.approx(by_hand, abs=1e-4)
            row += 1
    assert row == len(found)
    assert found.returns.std() > 0.1


def test_batch_layout_changes_nothing() -> None:
    stage = trained()
    first = measured(stage)
    stage.asking.decode_batch = 7
    second = measured(stage, tokens_per_micro_batch=64)
    np.testing.assert_allclose(first.returns, second.returns, atol=1e-4)
    np.testing.assert_allclose(first.values, second.values, atol=1e-4)
    assert first.place.tolist() == second.place.tolist()


def test_audits_while_training_change_nothing_and_are_recorded_on_their_iterations() -> None:
    config = replace(CONFIG, iterations=5)
    audited, undisturbed = test_reft.make_stage(config, audit=AUDIT), test_reft.make_stage(config)
    on = []
    while not audited.done:
        metrics = audited.advance().metrics
        undisturbed.advance()
        on += [audited.step] if "critic/bias" in metrics else []
    assert on == [2, 4, 5]
    assert torch.equal(test_reft.weights(audited), test_reft.weights(undisturbed))


def test_a_separate_value_model_is_audited_too() -> None:
    stage = test_reft.make_stage(CONFIG, separate=True)
    stage.iterate()
    found = measured(stage)
    stage.policy.value_trunk = None
    assert not np.allclose(found.values, measured(stage).values)
