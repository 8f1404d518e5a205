"""Responses as an audit reads them: those of predictions.jsonl and samples.jsonl, with their problems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reft_lab.answers.letters import option_letters
from reft_lab.answers.outcome import KINDS
from reft_lab.data.options import split_question
from reft_lab.data.problem import Problem

MOST_SAMPLES = 2000
"""Sampled responses that an audit reads; of a longer run, whole iterations are left out evenly."""


@dataclass(frozen=True)
class Response:
    """A response with what became of it.

    Attributes:
        problem: what was asked, without gold reasoning.
        text: what the policy wrote.
        answer: what was extracted, as text.
        outcome: its kind.
        step: the step it was sampled in; None for a prediction.
        reward: the terminal reward; None for a prediction.
    """

    problem: Problem
    text: str
    answer: str | None
    outcome: str
    step: int | None = None
    reward: float | None = None

    @property
    def is_right(self) -> bool:
        """Whether its answer is the gold answer."""
        return self.outcome == "correct"

    def as_example(self, **more: Any) -> dict[str, Any]:
        """What one reads of it, as JSON."""
        example: dict[str, Any] = {"id": self.problem.id, "question": self.problem.question, "response": self.text}
        example |= {"answer": self.answer, "gold": self.problem.answer, "outcome": self.outcome}
        # Rewards are recorded in single precision; six digits are what was meant.
        reward = None if self.reward is None else float(f"{self.reward:.6g}")
        return example | ({} if self.step is None else {"step": self.step, "reward": reward}) | more


def responses(lines: Iterable[Mapping[str, Any]]) -> tuple[list[Response], int]:
    """The responses in lines of predictions.jsonl or samples.jsonl, and how many lines lack what an audit needs."""
    found: list[Response] = []
    left_out = 0
    for line in lines:
        question, text, gold = (line.get(key) for key in ("question", "response", "gold"))
        outcome, answer, step, reward = (line.get(key) for key in ("outcome", "answer", "step", "reward"))
        if not all(isinstance(each, str) for each in (question, text, gold)) or outcome not in KINDS:
            left_out += 1
            continue
        problem = _problem(str(line.get("id")), str(question), str(gold))
        if problem is None:
            left_out += 1
            continue
        found.append(
            Response(
                problem,
                str(text),
                None if answer is None else str(answer),
                str(outcome),
                step if type(step) is int else None,
                float(reward) if isinstance(reward, int | float) else None,
            )
        )
    return found, left_out


def thinned(samples: list[Response]) -> list[Response]:
    """At most MOST_SAMPLES or so of them, from evenly spread steps, the first and the last among them."""
    steps = sorted({each.step for each in samples if each.step is not None})
    if len(samples) <= MOST_SAMPLES or len(steps) < 2:
        return samples[:MOST_SAMPLES]
    count = max(2, MOST_SAMPLES * len(steps) // len(samples))
    kept = {steps[round(number * (len(steps) - 1) / (count - 1))] for number in range(count)}
    return [each for each in samples if each.step in kept]


def _problem(id: str, question: str, gold: str) -> Problem | None:
    """The problem of a line: multiple choice where its gold answer is the letter of an option of the question."""
    try:
        float(gold)
    except ValueError:
        options = split_question(question)[1]
        return Problem(id, question, gold, None, id, options) if gold in option_letters(len(options)) else None
    return Problem(id, question, gold, None, id)
