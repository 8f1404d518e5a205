"""Greedy evaluation: every problem is asked, and judged by its own response, however the work is batched."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from reft_lab.answers.outcome import Outcome
from reft_lab.data.problem import Problem
from reft_lab.evaluation.asking import Lengths
from reft_lab.evaluation.greedy import evaluate
from reft_lab.policy.model import Policy
from reft_lab.policy.sampling import sample
from reft_lab.policy.tokenizer import Codec
from tests.evaluation.forms import LengthForm
from tests.small_models import make_model, make_tokenizer

CAP = 30


@pytest.fixture(scope="module")
def asked() -> tuple[Policy, Codec, list[str], list[list[int]]]:
    """A policy, questions of many lengths, and what the policy answers to each when asked alone."""
    questions = ["How many? " * (1 + i % 7) + str(i) for i in range(23)]
    codec = Codec(make_tokenizer(questions, 300, ["<pad>", "<eos>"], pad_token="<pad>", eos_token="<eos>"))
    policy = Policy(make_model("llama", len(codec.tokenizer)))
    alone = [
        sample(policy, [prompt], eos_id=codec.eos_id, pad_id=codec.pad_id, max_new_tokens=CAP, batch_size=1)
        for prompt in codec.prompts(questions)
    ]
    return policy, codec, questions, [one.lists()[0] for one in alone]


def problem_of(i: int, question: str, answer: str) -> Problem:
    return Problem(id=f"q{i}", question=question, answer=answer, cot=None, source=f"q{i}")


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_each_problem_is_judged_by_its_own_response(asked, batch_size):
    policy, codec, questions, ids = asked
    texts = codec.read(codec.prompts(questions), ids)
    problems = [
        problem_of(i, question, str(len(text) + i % 2))
        for i, (question, text) in enumerate(zip(questions, texts, strict=True))
    ]
    progress: list[int] = []
    evaluation = evaluate(
        policy,
        problems,
        LengthForm(),
        codec,
        lengths=Lengths(CAP),
        batch_size=batch_size,
        on_progress=progress.append,
    )
    assert evaluation.responses == texts
    assert evaluation.lengths == [len(row) for row in ids]
    assert evaluation.finished == [row[-1] == codec.eos_id for row in ids]
    assert [outcome.answer for outcome in evaluation.outcomes] == [str(len(text)) for text in texts]
    assert evaluation.score.accuracy == 12 / 23
    assert evaluation.score.n == 23
    assert progress[-1] == 23


def test_a_prompt_without_room_counts_as_no_answer(asked):
    policy, codec, questions, ids = asked
    long = "How many? " * 600
    problems = [problem_of(i, q, "0") for i, q in enumerate([long, questions[3], long])]
    evaluation = evaluate(policy, problems, LengthForm(), codec, lengths=Lengths(CAP), batch_size=8)
    assert [outcome.kind for outcome in evaluation.outcomes] == ["no_answer", "wrong", "no_answer"]
    assert evaluation.responses == ["", codec.read(codec.prompts(questions[3:4]), [ids[3]])[0], ""]
    assert evaluation.lengths == [0, len(ids[3]), 0]
    nothing = evaluate(policy, problems[:1], LengthForm(), codec, lengths=Lengths(CAP), batch_size=8)
    assert nothing.score.accuracy == 0


def test_prompts_are_those_of_the_stage(asked):
    policy, codec, *_ = asked

    class Staged(LengthForm):
        def prompt(self, problem: Problem, stage: str) -> str:
            return f"{stage}: {problem.question}"

    problems = [problem_of(i, f"How many? {i}", "0") for i in range(5)]
    for stage in ("sft", "rl"):
        prompts = codec.prompts([f"{stage}: {problem.question}" for problem in problems])
        alone = sample(policy, prompts, eos_id=codec.eos_id, pad_id=codec.pad_id, max_new_tokens=CAP, batch_size=5)
        found = evaluate(policy, problems, Staged(), codec, stage=stage, lengths=Lengths(CAP), batch_size=5)
        assert found.responses == codec.read(prompts, alone.lists())


def test_lengths_in_all_bound_the_responses_and_long_prompts_may_be_cut(asked):
    policy, codec, questions, ids = asked
    problems = [problem_of(i, question, "0") for i, question in enumerate(questions)]
    lengths = [len(prompt) for prompt in codec.prompts(questions)]
    total = sorted(lengths)[-3]  # leaves some of them no room at all
    held = evaluate(policy, problems, LengthForm(), codec, lengths=Lengths(CAP, total_tokens=total), batch_size=4)
    room = [max(0, total - length) for length in lengths]
    assert held.lengths == [min(len(row), most) for row, most in zip(ids, room, strict=True)]
    assert [outcome.kind == "no_answer" for outcome in held.outcomes] == [most == 0 for most in room]

    cut = evaluate(policy, problems, LengthForm(), codec, lengths=Lengths(CAP, cut_prompts_at=5), batch_size=4)
    prompts = [prompt[:5] for prompt in codec.prompts(questions)]
    alone = sample(policy, prompts, eos_id=codec.eos_id, pad_id=codec.pad_id, max_new_tokens=CAP, batch_size=9)
    assert cut.responses == codec.read(prompts, alone.lists())
    assert cut.cut_prompts == sum(length > 5 for length in lengths) > 0
    assert held.cut_prompts == 0


def test_an_error_of_the_judge_ends_the_evaluation(asked):
    policy, codec, questions, _ = asked

    class Broken(LengthForm):
        def judge(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Outcome]:
            raise OSError("the judge is gone")

    with pytest.raises(OSError, match="the judge is gone"):
        evaluate(policy, [problem_of(0, questions[0], "0")], Broken(), codec, lengths=Lengths(CAP), batch_size=8)
