"""Records of sampled responses for samples.jsonl, with what each of their tokens was worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from reft_lab.data import Problem
from reft_lab.methods.stages.reinforcement import Iteration, Reinforcement
from reft_lab.policy.tokenizer import Codec


def sample_records(
    stage: Reinforcement, iteration: Iteration, *, problems: Sequence[Problem], codec: Codec, count: int
) -> list[dict[str, Any]]:
    """Records of the first `count` responses of an iteration, less the step; docs/run-directory.md describes them.

    There may be fewer than `count`. The stage is as it is right after `iteration`, for the ratio to the policy that
    sampled.
    """
    rollouts = iteration.rollouts
    count = min(count, len(rollouts))
    if not count:
        return []
    of_tokens = {
        "advantage": rollouts.advantages[:count],
        "kl": (rollouts.logprobs - rollouts.ref_logprobs)[:count],
        **({} if rollouts.values is None else {"value": rollouts.values[:count]}),
        "ratio": stage.ratios(rollouts, count),
    }
    records: list[dict[str, Any]] = []
    for i, response in enumerate(rollouts.responses[:count]):
        problem, outcome = problems[iteration.questions[i]], rollouts.outcomes[i]
        pieces = codec.pieces(rollouts.prompts[i], response)
        numbers = {name: [_short(x) for x in of[i, : len(response)].tolist()] for name, of in of_tokens.items()}
        records.append(
            {
                "id": problem.id,
                "question": problem.question,
                "response": "".join(pieces),
                "answer": outcome.answer,
                "gold": problem.answer,
                "outcome": outcome.kind,
                "reward": rollouts.scores[i].item(),
                "tokens": {"text": pieces, **numbers},
            }
        )
    return records


def _short(x: float) -> float | None:
    """Four significant digits; None for what JSON has no number for."""
    return float(f"{x:.4g}") if math.isfinite(x) else None
