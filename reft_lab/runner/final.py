"""The end of a run: the one reading of the test set, and what result.json says of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from reft_lab.cot import Prompts
from reft_lab.data import Problem
from reft_lab.data.families import Seen
from reft_lab.errors import LOADING, phase
from reft_lab.evaluation.greedy import Evaluation
from reft_lab.evaluation.score import Score, score
from reft_lab.methods.sft import WARMUP
from reft_lab.policy import saving
from reft_lab.policy.model import Policy
from reft_lab.runner.checkpoint import Checkpoints
from reft_lab.runner.selection import Selection


def conclude(selection: Selection, checkpoints: Checkpoints, warmed_up: Policy | None) -> dict[str, Any]:
    """Evaluate the chosen checkpoint and the policy after warm-up; writes predictions.jsonl, returns what was found."""
    setup, progress, tracker = selection.setup, selection.progress, selection.tracker
    with phase(LOADING):
        saving.load_weights(setup.policy, checkpoints.best)
    final, final_scores = _read_test(selection, setup.policy, progress.best.stage, progress.best.score)
    warmup, warmup_scores = None, None
    if warmed_up is not None:
        warmup, warmup_scores = _read_test(selection, warmed_up, WARMUP.prompts, progress.warmup)
    in_train = _in_train(setup.splits.train, final.problems)
    tracker.directory.write_predictions(_predictions(final, warmup, in_train))
    return {
        "warmup": warmup_scores,
        "final": final_scores,
        "chosen": progress.best.when,
        "test_by_overlap": {likeness: _by_overlap(final, held) for likeness, held in in_train.items()},
        "outcomes": dict(Counter(outcome.kind for outcome in final.outcomes)),
        "data": {
            "counts": setup.splits.report.counts,
            "dropped": setup.splits.report.dropped,
            "duplicates": setup.splits.report.duplicates,
        },
        "notes": [*setup.splits.report.notes, *setup.notes, *_cut(final)],
    }


def _read_test(
    selection: Selection, policy: Policy, prompts: Prompts, known: Score | None
) -> tuple[Evaluation, dict[str, Any]]:
    """The test set under `policy`, which was trained on such `prompts` last, and the scores on dev and test.

    Those on the selection split are `known` already.
    """
    config, splits = selection.setup.config, selection.setup.splits
    dev = known if config.selection == "dev" else None
    if dev is None:
        dev = selection.evaluate(policy, splits.dev[: config.eval.dev_limit], prompts, title="dev").score
    test = selection.evaluate(policy, splits.test[: config.eval.test_limit], prompts, title="test")
    return test, {"dev": dev.as_json(), "test": test.score.as_json()}


def _cut(final: Evaluation) -> list[str]:
    if not final.cut_prompts:
        return []
    return [f"cut the prompts of {final.cut_prompts} of {len(final.problems)} test problems, as cot.too_long=cut says."]


def _in_train(train: Sequence[Problem], test: Sequence[Problem]) -> dict[str, list[bool]]:
    """Whether each test problem is like a training problem, in the degrees that a copy of it may be written in."""
    seen = Seen(train)
    return {likeness: [seen.holds(problem, likeness) for problem in test] for likeness in ("normalised", "masked")}


def _by_overlap(final: Evaluation, in_train: Sequence[bool]) -> dict[str, dict[str, object] | None]:
    """The score on the test problems that are like a training problem, and on the others; None where there are none."""
    parts: dict[str, dict[str, object] | None] = {}
    for name, wanted in (("in_train", True), ("not_in_train", False)):
        right = [
            outcome.kind == "correct" for outcome, held in zip(final.outcomes, in_train, strict=True) if held is wanted
        ]
        parts[name] = score(sum(right), len(right)).as_json() if right else None
    return parts


def _predictions(
    final: Evaluation, warmup: Evaluation | None, in_train: Mapping[str, Sequence[bool]]
) -> list[dict[str, Any]]:
    records = []
    for i, problem in enumerate(final.problems):
        records.append(_prediction(problem, final, i))
        records[-1] |= {f"{likeness}_in_train": held[i] for likeness, held in in_train.items()}
        if warmup is not None:
            records[-1]["warmup"] = {"answer": warmup.outcomes[i].answer, "outcome": warmup.outcomes[i].kind}
    return records


def _prediction(problem: Problem, evaluation: Evaluation, i: int) -> dict[str, Any]:
    outcome = evaluation.outcomes[i]
    return {
        "id": problem.id,
        "question": problem.question,
        "response": evaluation.responses[i],
        "answer": outcome.answer,
        "gold": problem.answer,
        "outcome": outcome.kind,
        "detail": outcome.detail,
    }
