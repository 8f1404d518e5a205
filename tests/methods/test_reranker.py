"""The outcome model: what it is trained on, what a step computes, what it answers, and what it must not depend on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from reft_lab.answers.outcome import Outcome
from reft_lab.data.problem import Problem
from reft_lab.equations.classification import area_under_curve
from reft_lab.errors import RunFailed
from reft_lab.evaluation.decoding import curves
from reft_lab.evaluation.outcome_model import probabilities
from reft_lab.evaluation.samples import NO_SAMPLE, Sample
from reft_lab.methods import STAGES
from reft_lab.methods.settings import RerankerConfig
from reft_lab.methods.stages.reranking import Candidates, Graded, RerankerTraining, balanced
from reft_lab.policy.model import Policy
from reft_lab.randomness import generator, permutation
from tests.small_models import make_model

CONFIG = RerankerConfig(epochs=3, batch_size=4, lr=1e-3)
PROBLEMS = [Problem(f"q{i}", f"Question {i}?", str(i), None, "here") for i in range(6)]


def drawn(*key: str | int) -> list[int]:
    draw = generator("ids", *key)
    return draw.integers(6, 61, size=int(draw.integers(1, 12))).tolist()


def sample(ids: list[int], is_right: bool) -> Sample:
    return Sample(" ".join(map(str, ids)), ids, Outcome("correct" if is_right else "wrong", str(ids[0])), True)


def candidates(problems: Sequence[Problem], count: int = 5) -> Candidates:
    """Right are responses whose last token, one of eight, is even: known exactly, and learnable."""
    drawn_ids = [[drawn(problem.id, i) for i in range(count)] for problem in problems]
    ids = [[[*each[:-1], 6 + each[-1] % 8] for each in row] for row in drawn_ids]
    samples = [[sample(each, each[-1] % 2 == 0) for each in row] for row in ids]
    return Candidates([drawn(problem.id) for problem in problems], samples)


def make_policy(family: str = "llama", **changes: object) -> Policy:
    policy = Policy(make_model(family), **changes)
    policy.renew_value_head(7)
    return policy


def make_stage(config: RerankerConfig = CONFIG, *, n: int = 10, tokens: int = 10_000, **changes) -> RerankerTraining:
    examples = [Graded(drawn(i), drawn(i, "response"), i % 2 == 0) for i in range(n)]
    return RerankerTraining(
        make_policy(**changes),
        examples,
        candidates,
        config,
        kind=STAGES["reranker"],
        seed=0,
        tokens_per_micro_batch=tokens,
    )


def weights(stage: RerankerTraining) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in stage.policy.parameters()])


@pytest.mark.parametrize("family", ["llama", "opt", "gpt2", "codegen"])
def test_a_response_is_read_to_its_last_token(family: str) -> None:
    policy = make_policy(family)
    prompts, responses = [drawn(i) for i in range(7)], [drawn(i, "response") for i in range(6)] + [[]]
    found = probabilities(policy, prompts, responses, 40)
    for prompt, response, probability in zip(prompts, responses, found, strict=True):
        with torch.no_grad():
            hidden = policy.lm.base_model(torch.tensor([prompt + response])).last_hidden_state[0, -1]
            plain = torch.sigmoid(policy.value_head.weight[0] @ hidden + policy.value_head.bias[0])
        assert probability == pytest.approx(plain.item(), abs=1e-5)
    assert probabilities(policy, prompts, responses, 10_000) == pytest.approx(found, abs=1e-5)
    assert probabilities(policy, [], [], 100) == []


def test_of_a_sequence_beyond_the_positions_the_end_is_read() -> None:
    policy = make_policy()
    long = [6 + i % 50 for i in range(600)]
    assert probabilities(policy, [long], [[9, 5]], 10_000) == pytest.approx(
        probabilities(policy, [long[90:]], [[9, 5]], 10_000), abs=1e-5
    )


@pytest.mark.parametrize("fast_path", [True, False])
def test_a_step_equals_the_plain_computation(fast_path: bool) -> None:
    """One response at a time with torch's own AdamW, over trunk and head; `value_grad_to_trunk` is for critics."""
    stage = make_stage(fast_path=fast_path, value_grad_to_trunk=False, tokens=40)
    plain = make_policy()
    optimizer = torch.optim.AdamW(plain.parameters(), lr=CONFIG.lr, weight_decay=0.0)
    for step in range(2):
        batch = permutation(10, 0, "reranker", "order", 0)[4 * step : 4 * step + 4]
        losses, told = [], 0
        for i in batch:
            hidden = plain.lm.base_model(torch.tensor([drawn(i) + drawn(i, "response")])).last_hidden_state[0, -1]
            p = torch.sigmoid(plain.value_head(hidden)[0])
            losses.append(-torch.log(p if i % 2 == 0 else 1 - p))
            told += (p.item() > 0.5) == (i % 2 == 0)
        optimizer.zero_grad()
        loss = torch.stack(losses).mean()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        optimizer.step()
        metrics = stage.advance().metrics
        assert metrics["reranker/loss"] == pytest.approx(loss.item(), rel=1e-4)
        assert metrics["reranker/grad_norm"] == pytest.approx(norm.item(), rel=1e-3)
        assert metrics["reranker/accuracy"] == told / 4
    expected = torch.cat([p.detach().flatten() for p in plain.parameters()])
    torch.testing.assert_close(weights(stage), expected, atol=2e-5, rtol=1e-4)


def test_micro_batches_change_nothing() -> None:
    one, other = make_stage(), make_stage(tokens=20)
    for _ in range(3):
        mine, theirs = one.advance().metrics, other.advance().metrics
        assert mine["reranker/loss"] == pytest.approx(theirs["reranker/loss"], rel=1e-4)
        assert mine["reranker/accuracy"] == theirs["reranker/accuracy"]
    torch.testing.assert_close(weights(one), weights(other), atol=1e-5, rtol=1e-4)


def test_a_stage_that_is_restored_goes_on_the_same() -> None:
    whole, first, second = make_stage(), make_stage(), make_stage()
    for _ in range(5):
        whole.advance()
    for _ in range(3):
        first.advance()
    second.policy.load_state_dict(first.policy.state_dict())
    second.optimizer.restore(first.optimizer.tensors())
    second.restore(first.counters())
    assert (second.moment, second.is_evaluated, second.done) == ("epoch 1", True, False)
    for _ in range(2):
        second.advance()
    assert torch.equal(weights(second), weights(whole))


def test_it_learns_to_tell_right_from_wrong_and_chooses_by_that() -> None:
    many = [Problem(f"p{i}", f"Question {i}?", "1", None, "here") for i in range(40)]
    stage = RerankerTraining(
        make_policy(),
        balanced(many, candidates(many), seed=0),
        candidates,
        RerankerConfig(epochs=8, batch_size=16, lr=3e-3),
        kind=STAGES["reranker"],
        seed=0,
        tokens_per_micro_batch=10_000,
    )
    before = stage.answer(PROBLEMS)
    while not stage.done:
        stage.advance()
    after = stage.answer(PROBLEMS)
    assert after.metrics["reranker/eval_auc"] > max(0.9, before.metrics["reranker/eval_auc"])
    possible = sum(any(s.outcome.kind == "correct" for s in row) for row in candidates(PROBLEMS).samples)
    assert sum(outcome.kind == "correct" for outcome in after.outcomes) == possible


def test_the_answer_is_the_likeliest_candidate_and_of_equals_the_first() -> None:
    stage = make_stage()
    given = candidates(PROBLEMS)
    given.samples[0][3] = Sample("again", given.samples[0][1].tokens, Outcome("wrong"), True)
    given.samples[5][:] = [NO_SAMPLE] * 5
    stage._candidates = lambda problems: given
    found = stage.answer(PROBLEMS)
    right, wrong, told = [], [], 0
    for i, (prompt, row) in enumerate(zip(given.prompts, given.samples, strict=True)):
        if i == 5:  # there was no room for an answer, and nothing to tell apart
            assert (found.outcomes[i], found.lengths[i], found.finished[i]) == (NO_SAMPLE.outcome, 0, False)
            continue
        scores = [probabilities(stage.policy, [prompt], [s.tokens], 100)[0] for s in row]
        first = next(j for j in range(5) if scores[j] > max(scores) - 1e-6)
        assert found.responses[i] == row[first].text
        assert (found.outcomes[i], found.lengths[i]) == (row[first].outcome, len(row[first].tokens))
        for score, one in zip(scores, row, strict=True):
            is_right = one.outcome.kind == "correct"
            (right if is_right else wrong).append(score)
            told += (score > 0.5) == is_right
    assert found.metrics["reranker/eval_accuracy"] == told / 25
    assert found.metrics["reranker/eval_auc"] == pytest.approx(area_under_curve(right, wrong), abs=1e-6)


def test_its_accuracy_is_rerank_at_k_of_decoding() -> None:
    stage, given = make_stage(), candidates(PROBLEMS)
    scores = [
        probabilities(stage.policy, [prompt] * 5, [s.tokens for s in row], 100)
        for prompt, row in zip(given.prompts, given.samples, strict=True)
    ]
    outcomes = [[s.outcome for s in row] for row in given.samples]
    names = [problem.id for problem in PROBLEMS]
    found = curves(outcomes, ("rerank",), names, seed=0, paper_tolerance=False, scores=scores)
    assert stage.answer(PROBLEMS).score.accuracy == pytest.approx(found["rerank"][5].accuracy)
    assert 0 < found["rerank"][5].accuracy < 1


def test_there_are_as_many_right_as_wrong_for_every_question_and_none_twice() -> None:
    given = candidates(PROBLEMS, 12)
    given.samples[1] = [sample([6, 8], True)] * 12  # one text, and no wrong one
    given.samples[2] = [sample([6, 8], True)] * 6 + [sample([7, 9], False), NO_SAMPLE] * 3
    graded = balanced(PROBLEMS, given, seed=0)
    for prompt, samples in zip(given.prompts, given.samples, strict=True):
        own = [one for one in graded if one.prompt == prompt]
        texts = {tuple(s.tokens): s.outcome.kind == "correct" for s in samples if s.tokens}
        count = min(sum(texts.values()), len(texts) - sum(texts.values()))
        assert sum(one.is_right for one in own) == sum(not one.is_right for one in own) == count
        assert len({tuple(one.response) for one in own}) == len(own)
        assert all(texts[tuple(one.response)] is one.is_right for one in own)
    assert graded == balanced(PROBLEMS, given, seed=0)
    assert graded != balanced(PROBLEMS, given, seed=1)
    fewer = balanced(PROBLEMS, given, seed=0, pairs=1)
    assert all(sum(one.prompt == prompt for one in fewer) in (0, 2) for prompt in given.prompts)


def test_without_both_kinds_there_is_nothing_to_train_on_unless_the_gold_reasoning_counts() -> None:
    given = candidates(PROBLEMS)
    wrong = [[sample([7, 2 * i + 9], False) for i in range(5)] for _ in PROBLEMS]
    only = Candidates(given.prompts, wrong)
    with pytest.raises(RunFailed, match="no training question has both right and wrong responses"):
        balanced(PROBLEMS, only, seed=0)
    gold = {problem.id: [10, 5] for problem in PROBLEMS}
    graded = balanced(PROBLEMS, only, seed=0, gold=gold)
    assert len(graded) == 2 * len(PROBLEMS)
    assert [one for one in graded if one.is_right] == [Graded(p, [10, 5], True) for p in given.prompts]
