"""Decoding from several samples at the end of a run, beside the greedy answers: `decode=vote|pass|rerank`."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from reft_lab.cot import Prompts
from reft_lab.data import Problem
from reft_lab.errors import LOADING, phase
from reft_lab.evaluation import outcome_model
from reft_lab.evaluation.decoding import curves, majority
from reft_lab.evaluation.samples import Sample
from reft_lab.policy.model import Policy
from reft_lab.runner.pool import Pools
from reft_lab.runner.selection import Selection


@dataclass(frozen=True)
class Decoded:
    """What came of the samples.

    Attributes:
        result: the keys that result.json gets.
        predictions: of each problem, what its line of predictions.jsonl gets.
    """

    result: dict[str, Any]
    predictions: list[dict[str, Any]]


def decode(
    selection: Selection, pools: Pools, policy: Policy, problems: Sequence[Problem], prompts: Prompts
) -> Decoded | None:
    """Answer `problems` by several samples of `policy` in the ways that the config asks for; None where it does not.

    Args:
        prompts: the kind of prompts that the policy was trained on last.
    """
    config = selection.setup.config
    ways = config.decode.ways
    if not ways:
        return None
    samples = pools.samples(policy, problems, config.decode.k, prompts=prompts, title="sampling")
    outcomes = [[sample.outcome for sample in of_one] for of_one in samples]
    scores = None
    if config.decode.rerank:
        asked = pools.ask(policy, problems, prompts)
        scores = _scores(selection, asked.prompts, samples)
    found = curves(
        outcomes,
        ways,
        [problem.id for problem in problems],
        seed=config.seed,
        paper_tolerance=config.answers.paper_tolerance,
        scores=scores,
    )
    drawn = {
        "samples": config.decode.k,
        **asdict(pools.distribution),
        "precision": policy.precision,
        "max_new_tokens": selection.setup.lengths(prompts).max_new_tokens,
        "tokens": sum(len(sample.tokens) for of_one in samples for sample in of_one),
        "finished": sum(sample.finished for of_one in samples for sample in of_one)
        / sum(len(of_one) for of_one in samples),
    }
    result = {
        "decoding": {way: {str(k): score.as_json() for k, score in curve.items()} for way, curve in found.items()},
        "pool": drawn,
    }
    return Decoded(result, [_of_problem(of_one, config.answers.paper_tolerance) for of_one in samples])


def _scores(
    selection: Selection, prompts: Sequence[list[int]], samples: Sequence[Sequence[Sample]]
) -> list[list[float]]:
    """P(right) of each sample by the outcome model of decode.reranker; one without tokens comes last."""
    setup, trainer = selection.setup, selection.setup.config.trainer
    assert setup.config.decode.reranker is not None
    started = time.monotonic()
    with phase(LOADING):
        model = outcome_model.load(
            setup.config.decode.reranker,
            outcome_model.OPTION,
            device=setup.device,
            precision=trainer.precision,
            fast_path=trainer.fast_path,
            tokens_per_micro_batch=trainer.tokens_per_micro_batch,
            ranks=setup.ranks,
        )
    flat = [(prompt, sample.tokens) for prompt, of_one in zip(prompts, samples, strict=True) for sample in of_one]
    read = [i for i, (_, tokens) in enumerate(flat) if tokens]
    scores = [-math.inf] * len(flat)
    with selection.tracker.display.stage("reranking", len(read), "samples") as bar, phase("reranking"):
        found = model.scores([flat[i][0] for i in read], [flat[i][1] for i in read], bar.update)
    for i, each in zip(read, found, strict=True):
        scores[i] = each
    selection.progress.add_seconds("reranking", time.monotonic() - started)
    k = len(samples[0])
    return [scores[start : start + k] for start in range(0, len(scores), k)]


def _of_problem(samples: Sequence[Sample], paper_tolerance: bool) -> dict[str, Any]:
    """How the samples of one problem came out, and what they vote for."""
    outcomes = [sample.outcome for sample in samples]
    winner = majority(outcomes, paper_tolerance)
    return {
        "right": sum(outcome.kind == "correct" for outcome in outcomes),
        "of": len(outcomes),
        "vote": {
            "answer": None if winner is None else winner.answer,
            "outcome": "no_answer" if winner is None else winner.kind,
        },
    }
