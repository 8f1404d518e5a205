"""Which samples offline self-training learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from reft_lab.answers.outcome import Outcome
from reft_lab.data.problem import Problem
from reft_lab.evaluation.samples import NO_SAMPLE, Sample
from reft_lab.methods.settings import OfflineSTConfig
from reft_lab.methods.stages.self_training import Gathered, gather
from reft_lab.methods.stages.supervised import Example
from reft_lab.policy.flops import Flops
from reft_lab.policy.model import Policy
from tests.rewarding import read_characters
from tests.small_models import make_model

CONFIG = OfflineSTConfig(samples=30, keep=4, max_tokens=40)
POLICY = Policy(make_model("llama"), critic=False)
EOS = 0


def sample(text: str, kind: str = "correct", *, finished: bool = True) -> Sample:
    return Sample(text, [*map(ord, text), *([EOS] if finished else [])], Outcome(kind), finished)


def gathered(
    *samples: Sequence[Sample], gold: str = "gold", seed: int = 0, config: OfflineSTConfig = CONFIG
) -> Gathered:
    problems = [Problem(f"q{i}", f"Question {i}?", "1", gold, "here") for i in range(len(samples))]
    examples = [Example([1, 2, 3], [ord(sign) for sign in gold]) for _ in samples]

    def form(problem: Problem, text: str) -> str:
        return " ".join(text.split())

    return gather(POLICY, problems, examples, samples, config, seed=seed, read=read_characters, form=form)


def texts(found: Gathered) -> list[str]:
    return ["".join(map(chr, example.completion)).rstrip("\0") for example in found.examples]


def test_right_ones_that_differ_from_each_other_and_from_the_gold_reasoning() -> None:
    found = gathered(
        [sample("a  b"), sample("a b"), sample(" gold "), sample("wrong", "wrong"), sample("c")], [sample("a b")]
    )
    assert texts(found) == ["a  b", "c", "a b"]  # the first of each form; each question for itself
    assert found.opening.metrics == {
        "pool/sampled": 3.0,
        "pool/right": 2.5,
        "pool/distinct": 1.5,
        "pool/kept": 1.5,
        "pool/unsolved": 0.0,
    }


def test_samples_that_do_not_end_or_do_not_fit_are_not_learned_from() -> None:
    found = gathered([sample("cut", finished=False), sample("x" * 37), sample("y" * 36)], [NO_SAMPLE])
    assert texts(found) == ["y" * 36]  # 3 tokens of prompt, and one that ends it
    assert found.opening.metrics["pool/distinct"] == 1.5
    assert found.opening.metrics["pool/unsolved"] == 0.5


def test_the_choice_is_random_and_keyed_by_seed_and_question() -> None:
    many = [sample(f"answer {number}") for number in range(30)]
    first = texts(gathered(many, many))
    assert first == texts(gathered(many, many))
    assert len(first) == 8
    of_one, of_other = first[:4], first[4:]
    assert of_one != of_other
    assert of_one == texts(gathered(many))
    assert of_one != texts(gathered(many, seed=1))
    # Every sample is as likely as any other, not the first ones.
    chosen = [text for seed in range(200) for text in texts(gathered(many, seed=seed))]
    counts = [chosen.count(f"answer {number}") for number in range(30)]
    assert sum(counts) == 800
    assert max(counts) < 27 + 5 * 5 > min(counts) > 0
    assert sum(counts[:10]) == pytest.approx(800 / 3, abs=5 * 11)


def test_fewer_than_may_be_kept_are_all_kept() -> None:
    assert texts(gathered([sample("a"), sample("b")])) == ["a", "b"]
    assert texts(gathered([sample("a"), sample("b")], config=replace(CONFIG, keep=1)))[0] in ("a", "b")


def test_all_that_was_sampled_is_paid_for() -> None:
    cost = gathered([sample("abc"), sample("de", "wrong")], [NO_SAMPLE]).opening.cost
    assert (cost.questions, cost.sampled_tokens, cost.trained_tokens, cost.optimizer_steps) == (2, 4 + 3, 0, 0)
    assert cost.flops == Flops.of(POLICY).sampling([(3, 4), (3, 3)])
