"""Controls: rewards that say less than the truth, or nothing. What a method gains from these is not learning from
reward ("Reasoning or Memorization?", 2507.10532). `inverted` is one too, and stands with the functions of an outcome.

Their draws are keyed by (seed, step, question, sample), so they are the same however the batch is laid out.
"""

from __future__ import annotations

from collections.abc import Callable

from reft_lab.answers.outcome import Outcome
from reft_lab.randomness import key, uniforms
from reft_lab.rewards.base import Judged, Reward
from reft_lab.rewards.built_in import exact


def random(outcome: Outcome, draw: float, probability: float) -> float:
    """1 with the given probability, else 0, whatever the response.

    Args:
        outcome: not looked at.
        draw: uniform in [0, 1).
        probability: of reward 1.
    """
    return 1.0 if draw < probability else 0.0


def corrupted(outcome: Outcome, draw: float, probability: float) -> float:
    """As `exact` with probability 1 - p, and its contrary with probability p.

    Args:
        outcome: how the response was judged.
        draw: uniform in [0, 1).
        probability: p.
    """
    return 1.0 - exact(outcome) if draw < probability else exact(outcome)


CONTROLS: dict[str, Callable[[Outcome, float, float], float]] = {"random": random, "corrupted": corrupted}


class Control(Reward):
    """One of CONTROLS with a draw of its own for each response."""

    def __init__(self, function: Callable[[Outcome, float, float], float], probability: float):
        self.function = function
        self.probability = probability

    def scores(self, batch: Judged) -> list[float]:
        draws = uniforms([key(own, "reward") for own in batch.keys], 1)[:, 0].tolist()
        return [self.function(o, draw, self.probability) for o, draw in zip(batch.outcomes, draws, strict=True)]
