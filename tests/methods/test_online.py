"""Online self-training: its update against a plain computation, and what it must not depend on."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch

from reft_lab.answers.outcome import Outcome
from reft_lab.evaluation.judging import Judge
from reft_lab.methods import STAGES
from reft_lab.methods.settings import OnlineSTConfig, PPOConfig
from reft_lab.methods.stages import online
from reft_lab.methods.stages.online import OnlineSelfTraining
from reft_lab.policy.flops import Flops
from reft_lab.policy.model import Policy
from reft_lab.policy.sampling import sample
from reft_lab.randomness import key, permutation, uniforms
from reft_lab.rewards import exact
from tests.methods.test_sft import make_examples
from tests.rewarding import make_asking
from tests.small_models import make_model

CONFIG = OnlineSTConfig(
    iterations=3, rollouts=12, samples_per_problem=2, mini_batch=6, lr=1e-3, max_grad_norm=0.5, eval_every=2
)
SAMPLING = PPOConfig(max_new_tokens=10)
EXAMPLES = make_examples(8)


def judge(questions: Sequence[int], responses: Sequence[Sequence[int]]) -> list[Outcome]:
    return [Outcome("correct" if response[0] % 2 == 0 else "wrong") for response in responses]


def always(kind: str) -> Judge:
    return lambda questions, responses: [Outcome(kind) for _ in responses]


def make_stage(
    config: OnlineSTConfig = CONFIG,
    judge: Judge = judge,
    *,
    sampling: PPOConfig = SAMPLING,
    tokens_per_micro_batch: int = 100_000,
    **asked: int,
) -> OnlineSelfTraining:
    return OnlineSelfTraining(
        Policy(make_model("llama"), critic=False),
        make_asking([example.prompt for example in EXAMPLES], judge, exact, sampling, **asked),
        [example.completion for example in EXAMPLES],
        config,
        kind=STAGES["online_st"],
        tokens_per_micro_batch=tokens_per_micro_batch,
    )


def weights(stage: OnlineSelfTraining) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in stage.policy.parameters()])


def sampled(policy: Policy) -> tuple[list[int], list[list[int]]]:
    """The questions of the first iteration, and what the policy writes to each."""
    questions = [q for q in permutation(8, 0, "question order", 0)[:6] for _ in range(2)]
    keys = [key(0, "rollout", 0, f"q{q}", i % 2) for i, q in enumerate(questions)]
    prompts = [EXAMPLES[q].prompt for q in questions]
    draws = uniforms(keys, 10)
    return questions, sample(
        policy, prompts, eos_id=5, pad_id=0, max_new_tokens=10, batch_size=100, uniforms=draws
    ).lists()


@pytest.mark.parametrize("average", ["token", "sequence"])
def test_an_iteration_equals_the_plain_computation(average: str) -> None:
    """Two steps, each on six responses and on the gold reasoning of their three questions, one sequence at a time."""
    stage = make_stage(replace(CONFIG, loss_average=average), tokens_per_micro_batch=50)
    plain = deepcopy(stage.policy)
    questions, written = sampled(plain)
    done = stage.advance()

    optimizer = torch.optim.AdamW(plain.parameters(), lr=CONFIG.lr, weight_decay=0.0)
    losses, trained = [], 0
    for start in (0, 6):
        lesson = [(q, r) for q, r in zip(questions[start : start + 6], written[start : start + 6], strict=True)]
        learned = [(q, r) for q, r in lesson if r[0] % 2 == 0]
        learned += [(q, EXAMPLES[q].completion) for q in questions[start : start + 6 : 2]]
        assert len(learned) < 9
        sums, lengths = [], []
        for q, response in learned:
            prompt = EXAMPLES[q].prompt
            logits = plain.lm(torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1]
            logprobs = torch.log_softmax(logits, -1)[range(len(response)), response]
            sums.append(-logprobs.sum())
            lengths.append(len(response))
        if average == "token":
            loss = torch.stack(sums).sum() / sum(lengths)
        else:
            loss = torch.stack([each / n for each, n in zip(sums, lengths, strict=True)]).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), CONFIG.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        trained += sum(lengths)
    assert done.metrics["online/loss"] == pytest.approx(sum(losses) / 2, rel=1e-5)
    assert (weights(stage) - torch.cat([p.detach().flatten() for p in plain.parameters()])).abs().max() < 1e-5
    assert done.cost.trained_tokens == trained
    assert done.cost.sampled_tokens == sum(map(len, written))
    assert (done.cost.questions, done.cost.optimizer_steps) == (6, 2)
    assert done.metrics["rollout/accuracy"] == sum(r[0] % 2 == 0 for r in written) / 12


@pytest.mark.parametrize("kind", ["correct", "wrong"])
def test_as_many_passes_are_made_whatever_is_right(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made, plain = [], online.score_packed
    monkeypatch.setattr(
        online, "score_packed", lambda policy, batch: made.append(len(batch.ids)) or plain(policy, batch)
    )
    stage = make_stage(judge=always(kind), tokens_per_micro_batch=60)
    done = stage.advance()
    _, written = sampled(make_stage().policy)
    gold = [EXAMPLES[q] for q in permutation(8, 0, "question order", 0)[:6]]
    assert sum(made) == done_tokens(written, gold)
    assert done.cost.optimizer_steps == stage.optimizer.steps == 2
    lengths = [(len(e.prompt), len(e.completion)) for e in gold]
    lengths += [(len(gold[i // 2].prompt), len(r)) for i, r in enumerate(written)]
    flops = Flops.of(stage.policy)
    assert done.cost.flops == pytest.approx(flops.sampling(lengths[6:]) + flops.training(lengths))
    own = sum(map(len, written)) if kind == "correct" else 0
    assert done.cost.trained_tokens == own + sum(len(e.completion) for e in gold)


def done_tokens(written: list[list[int]], gold: list[Any]) -> int:
    """Tokens that go through the model: none is predicted from the last of a sequence."""
    return sum(len(gold[i // 2].prompt) + len(r) - 1 for i, r in enumerate(written)) + sum(len(e) - 1 for e in gold)


def test_nothing_right_leaves_the_gold_reasoning() -> None:
    """Wrong responses change nothing: shorter ones give the same weights."""
    one = make_stage(judge=always("wrong"))
    other = make_stage(judge=always("wrong"), sampling=PPOConfig(max_new_tokens=4))
    first, second = one.advance().cost, other.advance().cost
    assert first.sampled_tokens > second.sampled_tokens
    assert first.trained_tokens == second.trained_tokens
    assert (weights(one) - weights(other)).abs().max() < 1e-5


def test_batch_layout_changes_nothing() -> None:
    one = make_stage(decode_batch=100, tokens_per_micro_batch=100_000)
    other = make_stage(decode_batch=3, tokens_per_micro_batch=40)
    for _ in range(2):
        one.advance()
        other.advance()
    assert (weights(one) - weights(other)).abs().max() < 1e-5


def test_it_goes_on_where_it_stopped() -> None:
    whole, first, second = make_stage(), make_stage(), make_stage()
    for _ in range(3):
        whole.advance()
    first.advance()
    second.policy.load_state_dict(first.policy.state_dict())
    second.optimizer.restore(first.optimizer.tensors())
    second.restore(first.counters())
    assert (second.step, second.is_evaluated, second.done) == (1, False, False)
    second.advance()
    assert second.is_evaluated
    second.advance()
    assert second.done
    assert torch.equal(weights(whole), weights(second))


def test_evaluations_by_passes_over_the_questions() -> None:
    stage = make_stage(replace(CONFIG, iterations=None, data_epochs=3.0, eval_every_epochs=1.0))  # 6 of 8 questions
    assert stage.total_steps == 4
    seen = []
    while not stage.done:
        stage.step += 1
        seen.append(stage.is_evaluated)
    assert seen == [False, True, True, True]
