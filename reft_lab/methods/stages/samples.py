"""Records of sampled responses for samples.jsonl, with what each of their tokens was worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from reft_lab.answers.outcome import Outcome
from reft_lab.data import Problem
from reft_lab.methods.stages.asking import Batch
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
        pieces = codec.pieces(rollouts.prompts[i], response)
        numbers = {name: [_short(x) for x in of[i, : len(response)].tolist()] for name, of in of_tokens.items()}
        record = _record(
            problems[iteration.questions[i]], "".join(pieces), rollouts.outcomes[i], rollouts.scores[i].item()
        )
        records.append(record | {"tokens": {"text": pieces, **numbers}})
    return records


def response_records(batch: Batch, *, problems: Sequence[Problem], codec: Codec, count: int) -> list[dict[str, Any]]:
    """The same of the first `count` responses of a batch, of whose tokens there is nothing to say."""
    texts = codec.read(batch.prompts[:count], batch.sampled.lists()[:count])
    return [
        _record(problems[batch.questions[i]], text, batch.outcomes[i], batch.scores[i]) for i, text in enumerate(texts)
    ]


def _record(problem: Problem, response: str, outcome: Outcome, reward: float) -> dict[str, Any]:
    return {
        "id": problem.id,
        "question": problem.question,
        "response": response,
        "answer": outcome.answer,
        "gold": problem.answer,
        "outcome": outcome.kind,
        "reward": reward,
    }


def _short(x: float) -> float | None:
    """Four significant digits; None for what JSON has no number for."""
    return float(f"{x:.4g}") if math.isfinite(x) else None
