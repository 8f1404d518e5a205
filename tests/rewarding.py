"""Questions and rewards of stages that are made without a lab, and made-up batches for rewards by themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from reft_lab.answers.outcome import Outcome
from reft_lab.data.problem import Problem
from reft_lab.evaluation.judging import Judge
from reft_lab.methods.settings import PPOConfig
from reft_lab.methods.stages.asking import Asking
from reft_lab.randomness import key
from reft_lab.rewards import Judged, Scoring

EOS, PAD = 5, 0


def make_asking(
    prompts: Sequence[list[int]],
    judge: Judge,
    reward: Callable[[Outcome], float],
    config: PPOConfig,
    *,
    seed: int = 0,
    decode_batch: int = 100,
) -> Asking:
    """Questions q0, q1, ... that are put to a policy by these prompts."""
    names = [f"q{i}" for i in range(len(prompts))]
    return Asking(prompts, names, judge, by_outcome(reward), config, seed, EOS, PAD, decode_batch)


def by_outcome(function: Callable[[Outcome], float]) -> Scoring:
    """The rewards of a stage by a function of an outcome."""

    def scores(questions: Any, responses: Any, outcomes: Sequence[Outcome], keys: Any, step: int) -> list[float]:
        return [function(outcome) for outcome in outcomes]

    return scores


def judged(*rows: tuple[str, Outcome], step: int = 0, seed: int = 0) -> Judged:
    """A batch of response texts and their outcomes, to one question each, a token for each character."""
    texts = [text for text, _ in rows]
    problems = [Problem(f"q{i}", f"Question {i}?", str(i), f"reasoning {i}", "here") for i in range(len(rows))]
    keys = [key(seed, "rollout", step, problem.id, 0) for problem in problems]
    responses = [[ord(sign) for sign in text] for text in texts]
    outcomes = [outcome for _, outcome in rows]
    return Judged(problems, [[0]] * len(rows), responses, outcomes, keys, step, read_characters)


def read_characters(prompts: Any, responses: Sequence[Sequence[int]]) -> list[str]:
    """Texts of responses whose tokens are characters."""
    return ["".join(map(chr, response)) for response in responses]
