"""Reinforced fine-tuning: the update against a plain computation, and what a run must not depend on."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from reft_lab.answers.outcome import Outcome
from reft_lab.equations.credit import CREDITS, Experience
from reft_lab.equations.losses import policy_loss, value_loss
from reft_lab.evaluation.settings import AuditConfig
from reft_lab.methods import STAGES
from reft_lab.methods.settings import PPOConfig, SFTConfig
from reft_lab.methods.stages.reinforcement import Reinforcement
from reft_lab.methods.stages.supervised import SupervisedFineTuning
from reft_lab.methods.stages.update import update
from reft_lab.policy.model import Policy
from reft_lab.randomness import permutation
from reft_lab.rewards import exact
from tests.methods.test_sft import make_examples
from tests.rewarding import make_asking
from tests.small_models import make_model

CONFIG = PPOConfig(
    iterations=3, rollouts=12, mini_batch=6, epochs=2, lr=1e-3, max_new_tokens=10, kl_coef=0.05, max_grad_norm=0.5
)


def judge(questions, responses):
    """Right answers are those whose first token is even: learnable, and known exactly."""
    return [Outcome("correct" if r[0] % 2 == 0 else "wrong", answer=str(r[0]), value=float(r[0])) for r in responses]


def make_stage(
    config: PPOConfig = CONFIG,
    family: str = "llama",
    *,
    fast_path: bool = True,
    separate: bool = False,
    tokens_per_micro_batch: int = 100_000,
    audit: AuditConfig | None = None,
    **asked: int,
) -> Reinforcement:
    policy = Policy(
        make_model(family),
        critic=CREDITS[config.credit].needs_critic,
        value_grad_to_trunk=config.value_grad_to_trunk,
        fast_path=fast_path,
    )
    if separate:
        policy.separate_values()
    return Reinforcement(
        policy,
        policy.reference(),
        make_asking([example.prompt for example in make_examples(8)], judge, exact, config, **asked),
        kind=STAGES["reft"],
        tokens_per_micro_batch=tokens_per_micro_batch,
        audit=audit,
    )


def weights(stage: Reinforcement) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in stage.policy.parameters()])


@pytest.mark.parametrize("average", ["sequence", "token"])
@pytest.mark.parametrize("fast_path", [True, False])
def test_an_iteration_equals_the_plain_computation(fast_path, average):
    """Two PPO passes in mini-batches against one response at a time, unpadded, with torch's own AdamW."""
    config = replace(CONFIG, loss_average=average, rollouts=8)  # 8 rollouts in mini-batches of 6 and 2
    stage = make_stage(config, fast_path=fast_path, tokens_per_micro_batch=50)
    plain = deepcopy(stage.policy)
    done = stage.iterate()
    batch = done.rollouts

    optimizer = torch.optim.AdamW(plain.parameters(), lr=config.lr, weight_decay=0.0)
    policy_losses, value_losses, norms = [], [], []
    for epoch in range(2):
        order = permutation(8, 0, "ppo order", 0, epoch)
        for start in range(0, 8, 6):
            chosen = order[start : start + 6]
            tokens = sum(len(batch.responses[i]) for i in chosen)
            policy_part, value_part = torch.zeros(()), torch.zeros(())
            for i in chosen:
                prompt, response = batch.prompts[i], batch.responses[i]
                n = len(response)
                ids = torch.tensor([prompt + response])
                hidden = plain.lm.base_model(ids).last_hidden_state[0, len(prompt) - 1 : -1]
                logprobs = plain.lm.lm_head(hidden).log_softmax(-1)[range(n), response]
                values = plain.value_head(hidden)[:, 0]
                pg = policy_loss(logprobs, batch.logprobs[i, :n], batch.advantages[i, :n], config.clip)
                vf = value_loss(values, batch.values[i, :n], batch.returns[i, :n], config.value_clip)
                weight = 1 / (len(chosen) * n) if average == "sequence" else 1 / tokens
                policy_part = policy_part + weight * pg.sum()
                value_part = value_part + weight * vf.sum()
            optimizer.zero_grad()
            (policy_part + config.value_coef * value_part).backward()
            norms.append(torch.nn.utils.clip_grad_norm_(plain.parameters(), config.max_grad_norm).item())
            optimizer.step()
            policy_losses.append(policy_part.item())
            value_losses.append(value_part.item())
    expected = torch.cat([p.detach().flatten() for p in plain.parameters()])
    torch.testing.assert_close(weights(stage), expected, atol=1e-5, rtol=1e-4)
    assert done.metrics["ppo/policy_loss"] == pytest.approx(sum(policy_losses) / 4, abs=1e-6)
    assert done.metrics["ppo/value_loss"] == pytest.approx(sum(value_losses) / 4, abs=1e-6)
    assert done.metrics["ppo/grad_norm"] == pytest.approx(sum(norms) / 4, rel=1e-4)


WITHOUT_CRITIC = [name for name, credit in CREDITS.items() if not credit.needs_critic]


@pytest.mark.parametrize("credit", WITHOUT_CRITIC)
@pytest.mark.parametrize("fast_path", [True, False])
def test_an_iteration_without_a_critic_equals_the_plain_computation(credit, fast_path):
    """As above, with advantages from the responses' own rewards: no value head, no value loss."""
    config = replace(CONFIG, credit=credit, rollouts=8, mini_batch=8, samples_per_problem=4, whiten=False)
    stage = make_stage(config, fast_path=fast_path, tokens_per_micro_batch=50)
    stage.iterate()  # from the second on the policy is no longer its reference
    plain = deepcopy(stage.policy)
    stage.optimizer.adamws[0].state.clear()  # torch's own begins anew, too
    done = stage.iterate()
    batch = done.rollouts
    assert plain.value_head is None
    assert (batch.values, batch.returns) == (None, None)

    total = torch.zeros(8, batch.mask.shape[1])
    for i, response in enumerate(batch.responses):
        for t in range(len(response)):
            total[i, t] = -config.kl_coef * (batch.logprobs[i, t] - batch.ref_logprobs[i, t])
        total[i, len(response) - 1] += batch.scores[i]
    advantages = CREDITS[credit].advantages(Experience(total, batch.mask, group=4))
    torch.testing.assert_close(batch.advantages, advantages)
    assert advantages.abs().max() > 0

    optimizer = torch.optim.AdamW(plain.parameters(), lr=config.lr, weight_decay=0.0)
    losses = []
    for _ in range(2):
        loss = torch.zeros(())
        for i, (prompt, response) in enumerate(zip(batch.prompts, batch.responses, strict=True)):
            n = len(response)
            hidden = plain.lm.base_model(torch.tensor([prompt + response])).last_hidden_state[0, len(prompt) - 1 : -1]
            logprobs = plain.lm.lm_head(hidden).log_softmax(-1)[range(n), response]
            loss = loss + policy_loss(logprobs, batch.logprobs[i, :n], advantages[i, :n], config.clip).mean() / 8
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), config.max_grad_norm)
        optimizer.step()
        losses.append(loss.item())
    expected = torch.cat([p.detach().flatten() for p in plain.parameters()])
    torch.testing.assert_close(weights(stage), expected, atol=1e-5, rtol=1e-4)
    assert done.metrics["ppo/policy_loss"] == pytest.approx(sum(losses) / 2, abs=1e-6)
    assert not {"ppo/value_loss", "ppo/explained_variance", "rollout/value"} & done.metrics.keys()


@pytest.mark.parametrize("credit", WITHOUT_CRITIC)
def test_reward_rises_without_a_critic(credit):
    config = replace(CONFIG, credit=credit, iterations=25, rollouts=64, mini_batch=64, samples_per_problem=8)
    stage = make_stage(replace(config, kl_coef=0.0, whiten=False))
    rewards = []
    while not stage.done:
        rewards.append(stage.advance().metrics["rollout/reward"])
    assert sum(rewards[-3:]) / 3 > sum(rewards[:3]) / 3 + 0.2


@pytest.mark.parametrize("family", ["llama", "opt", "gpt2"])
def test_batch_layout_changes_nothing(family):
    runs = [
        make_stage(family=family),
        make_stage(family=family, decode_batch=5, tokens_per_micro_batch=64),
    ]
    start = weights(runs[0])
    for _ in range(2):
        first, second = (stage.iterate() for stage in runs)
        assert first.questions == second.questions
        assert first.rollouts.responses == second.rollouts.responses
    # Adam turns float noise in a gradient that is nearly 0 into a whole step, so single weights may differ a little.
    moved, apart = weights(runs[0]) - start, weights(runs[0]) - weights(runs[1])
    assert apart.norm() < 0.01 * moved.norm()


def test_same_seed_same_run_bit_for_bit_other_seed_another():
    first, second, other = make_stage(), make_stage(), make_stage(seed=1)
    for stage in (first, second, other):
        while not stage.done:
            stage.advance()
        torch.rand(3)
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(first), weights(other))


@pytest.mark.parametrize("family", ["llama", "gpt2"])  # gpt2 has dropout, which an update must not draw
def test_log_probs_kept_from_sampling_are_those_of_the_update(family):
    """In every iteration, so what is sampled from has the weights that the last update left."""
    stage = make_stage(family=family)
    while not stage.done:
        assert stage.advance().metrics["ppo/first_ratio_error"] < 1e-4
        assert stage.rescore is False


def test_reward_rises_and_the_reference_stays():
    stage = make_stage(replace(CONFIG, iterations=25, rollouts=64, mini_batch=64, kl_coef=0.0))
    before = torch.cat([p.flatten() for p in stage.reference.parameters()])
    rewards = []
    while not stage.done:
        rewards.append(stage.advance().metrics["rollout/reward"])
    assert sum(rewards[-3:]) / 3 > sum(rewards[:3]) / 3 + 0.2
    assert torch.equal(before, torch.cat([p.flatten() for p in stage.reference.parameters()]))


def test_kl_penalty_holds_the_policy_back():
    def drift(kl_coef: float) -> float:
        stage = make_stage(replace(CONFIG, iterations=15, rollouts=32, mini_batch=32, kl_coef=kl_coef))
        while not stage.done:
            last = stage.advance()
        return last.metrics["ppo/kl_ref"]

    assert drift(1.0) < 0.5 * drift(0.0)


def test_a_separate_value_model_learns_values_and_leaves_the_policy_alone():
    config = replace(CONFIG, lr=3e-3, value_clip=None, rollouts=16, mini_batch=16)
    stage = make_stage(config, separate=True)
    batch = stage.iterate().rollouts
    batch = replace(batch, advantages=torch.zeros_like(batch.advantages))  # nothing for the policy to learn
    before = torch.cat([p.detach().flatten() for p in stage.policy.lm.parameters()])
    stage.optimizer.adamws[0].state.clear()
    budget = {"order": [list(range(16))], "pad_id": 0, "tokens_per_micro_batch": 10_000}
    losses = [update(stage.policy, batch, stage.optimizer, config, **budget)["ppo/value_loss"] for _ in range(30)]
    assert losses[-1] < 0.3 * losses[0]
    assert torch.equal(before, torch.cat([p.detach().flatten() for p in stage.policy.lm.parameters()]))


@pytest.mark.parametrize(
    ("rollouts", "every", "evaluated"),
    [(4, 1, [2, 4, 6]), (3, 1, [3, 6]), (4, 0.5, [1, 2, 3, 4, 5, 6]), (4, 2, [4, 6]), (16, 1, [1, 2, 3, 4, 5, 6])],
)
def test_evaluations_may_be_counted_in_passes_over_the_questions(rollouts, every, evaluated):
    """There are 8 questions."""
    config = replace(CONFIG, rollouts=rollouts, mini_batch=rollouts, iterations=6, eval_every_epochs=every)
    stage = make_stage(config)
    found = []
    for step in range(1, 7):
        stage.step = step
        found += [step] if stage.is_evaluated else []
    assert found == evaluated


def test_rollouts_keep_to_the_length_in_all():
    stage = make_stage(replace(CONFIG, max_new_tokens=10, total_tokens=22))
    iteration = stage.iterate()
    for prompt, response in zip(iteration.rollouts.prompts, iteration.rollouts.responses, strict=True):
        assert len(response) <= min(10, 22 - len(prompt))
    assert max(len(prompt) for prompt in iteration.rollouts.prompts) > 12


def test_questions_come_round_evenly_and_samples_of_one_question_differ():
    stage = make_stage(replace(CONFIG, rollouts=8, mini_batch=8, samples_per_problem=2))
    assert stage.total_steps == 3
    first, second = stage.iterate(), stage.iterate()
    assert sorted(first.questions[::2] + second.questions[::2]) == list(range(8))
    assert first.questions[::2] == first.questions[1::2]
    pairs = [first.rollouts.responses[i : i + 2] for i in range(0, 8, 2)]
    assert all(a != b for a, b in pairs)


def test_a_small_training_set_that_comes_round_within_an_iteration_is_sampled_anew():
    batch = make_stage(replace(CONFIG, rollouts=16, mini_batch=16)).iterate()
    by_question = {
        q: [r for p, r in zip(batch.questions, batch.rollouts.responses, strict=True) if p == q] for q in range(8)
    }
    assert all(len(responses) == 2 and responses[0] != responses[1] for responses in by_question.values())


def test_iterations_follow_from_passes_over_the_data():
    assert make_stage(replace(CONFIG, iterations=None, data_epochs=300, rollouts=32)).total_steps == 75


def test_a_gradient_that_is_not_finite_stops_the_run_before_it_spoils_the_weights():
    examples = make_examples(4)
    policy = Policy(make_model("llama"))
    config = SFTConfig(epochs=1, batch_size=4)
    stage = SupervisedFineTuning(
        policy, examples, config, kind=STAGES["sft"], seed=0, pad_id=0, tokens_per_micro_batch=999
    )
    with torch.no_grad():
        policy.lm.lm_head.weight[0, 0] = float("nan")
    before = policy.lm.lm_head.weight.clone()
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        stage.advance()
    assert torch.equal(before.nan_to_num(), policy.lm.lm_head.weight.nan_to_num())


def test_rewards_that_are_too_large_are_blamed_for_the_gradient_they_make():
    stage = make_stage()
    stage.asking.reward = lambda questions, responses, outcomes, keys, step: [1e30] * len(responses)
    with pytest.raises(FloatingPointError, match=r"a reward was 1e\+30: give rewards of the order of 1$"):
        stage.iterate()


@pytest.mark.parametrize("fast_path", [True, False])
def test_ratios_after_the_update_are_those_of_the_policy_as_it_is_and_change_nothing(fast_path):
    stage, undisturbed = make_stage(fast_path=fast_path), make_stage(fast_path=fast_path)
    for _ in range(2):
        rollouts = stage.iterate().rollouts
        ratios = stage.ratios(rollouts, 3)
        undisturbed.advance()
        assert ratios.shape == (3, max(len(response) for response in rollouts.responses[:3]))
        for i, row in enumerate(ratios):
            prompt, response = rollouts.prompts[i], rollouts.responses[i]
            with torch.no_grad():
                hidden = stage.policy.lm.base_model(torch.tensor([prompt + response])).last_hidden_state
                logits = stage.policy.lm.lm_head(hidden[0, len(prompt) - 1 : -1])
            new = logits.log_softmax(-1)[range(len(response)), response]
            expect = (new - rollouts.logprobs[i, : len(response)]).exp()
            torch.testing.assert_close(row[: len(response)].float(), expect, atol=1e-4, rtol=1e-4)
            assert (row[len(response) :] == 1).all()
            assert (row[: len(response)] - 1).abs().max() > 1e-3
    assert torch.equal(weights(stage), weights(undisturbed))
