"""The end of a run: the one reading of the test set, and what result.json says of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from reft_lab.data import Problem
from reft_lab.data.likeness import Seen
from reft_lab.data.near import NEAR, near_in
from reft_lab.errors import LOADING, phase
from reft_lab.evaluation.greedy import Evaluation
from reft_lab.evaluation.score import Score, score
from reft_lab.methods.sft import WARMUP
from reft_lab.policy import saving
from reft_lab.policy.model import Policy
from reft_lab.runner.checkpoint import MERGED, Checkpoints
from reft_lab.runner.decoding import Decoded, decode
from reft_lab.runner.pool import Pools
from reft_lab.runner.progress import Progress
from reft_lab.runner.selection import Selection
from reft_lab.runner.setup import Setup
from reft_lab.tracking.tracker import Tracker


def conclude(selection: Selection, checkpoints: Checkpoints, pools: Pools, warmed_up: Policy | None) -> dict[str, Any]:
    """Evaluate the chosen checkpoint and the policy after warm-up; writes predictions.jsonl, returns what was found."""
    setup, progress, tracker = selection.setup, selection.progress, selection.tracker
    setup.ranks.wait()  # for the best policy on disk
    if setup.method.trains:
        with phase(LOADING):
            saving.load_weights(setup.policy, checkpoints.best)
        if setup.config.model.lora.merge and setup.policy.is_adapted:
            _write_merged(setup, tracker, checkpoints)
    final, final_scores = _read_test(selection, selection.conclude, progress.best.score, setup.method.final)
    warmup, warmup_scores = None, None
    if warmed_up is not None:
        greedily = partial(selection.evaluate, warmed_up, prompts=WARMUP.prompts)
        warmup, warmup_scores = _read_test(selection, greedily, progress.warmup, f"after {WARMUP.label}")
    decoded = decode(selection, pools, setup.policy, final.problems, progress.best.stage)
    in_train = _in_train(final.problems, setup.splits.train)
    tracker.directory.write_predictions(_predictions(final, warmup, decoded, in_train))
    report, notes = setup.splits.report, [*setup.splits.report.notes, *setup.notes]
    if final.cut_prompts:
        cut = f"{final.cut_prompts} of {len(final.problems)} test problems"
        notes.append(f"cut the prompts of {cut}, as cot.too_long=cut says.")
    return {
        "warmup": warmup_scores,
        "final": final_scores,
        "chosen": progress.best.when,
        **({"policy": setup.given.result} if setup.given.result else {}),
        "selection_rules": _by_rule(progress, setup.config.selection, final_scores),
        "test_by_overlap": {likeness: _by_overlap(final, held) for likeness, held in in_train.items()},
        **(decoded.result if decoded else {}),
        "outcomes": dict(Counter(outcome.kind for outcome in final.outcomes)),
        "data": {"counts": report.counts, "dropped": report.dropped, "duplicates": report.duplicates},
        "notes": notes,
    }


def _write_merged(setup: Setup, tracker: Tracker, checkpoints: Checkpoints) -> None:
    import torch

    with setup.policy.collected() as policy, tracker.directory.writing(f"checkpoints/{MERGED}"):
        if policy is None:
            return
        whole = policy.merged(torch.float32)
        saving.save(whole, setup.codec.tokenizer, checkpoints.merged, saving.facts(checkpoints.best))


def _in_train(problems: Sequence[Problem], train: Sequence[Problem]) -> dict[str, list[bool]]:
    """Whether each problem is like a training problem, in the degrees that a copy of it may be written in."""
    seen = Seen(train)
    held = {likeness: [seen.holds(problem, likeness) for problem in problems] for likeness in ("normalised", "masked")}
    near = zip(held["masked"], near_in(problems, train), strict=True)
    return held | {NEAR: [masked or is_near for masked, is_near in near]}


def _read_test(
    selection: Selection, answers: Callable[..., Evaluation], known: Score | None, policy: str
) -> tuple[Evaluation, dict[str, Any]]:
    """What `answers` gives for the test set, and its scores on dev and test.

    Those on the selection split are `known` already; `policy` is what people call the one that answers.
    """
    config, splits = selection.setup.config, selection.setup.splits
    dev = known if config.selection == "dev" else None
    if dev is None:
        dev = answers(splits.dev[: config.eval.dev_limit], title=f"dev, {policy}").score
    test = answers(splits.test[: config.eval.test_limit], title=f"test, {policy}")
    return test, {"dev": dev.as_json(), "test": test.score.as_json()}


def _by_rule(progress: Progress, selection: str, final: Mapping[str, Any]) -> dict[str, Any] | None:
    """Test accuracies of the checkpoints that dev, and that test, would choose; None where only one was looked at."""
    if not progress.chosen:
        return None
    found: dict[str, Any] = {split: progress.chosen[split].test.as_json() for split in ("dev", "test")}
    found[selection] = final["test"]  # read anew
    return found | {
        "inflation": found["test"]["accuracy"] - found["dev"]["accuracy"],
        "candidates": progress.candidates,
        "chosen": {split: progress.chosen[split].when for split in ("dev", "test")},
    }


def _by_overlap(final: Evaluation, in_train: Sequence[bool]) -> dict[str, dict[str, object] | None]:
    """The score on the test problems that are like a training problem, and on the others; None where there are none."""
    parts: dict[str, dict[str, object] | None] = {}
    for name, wanted in (("in_train", True), ("not_in_train", False)):
        judged = zip(final.outcomes, in_train, strict=True)
        right = [outcome.kind == "correct" for outcome, held in judged if held is wanted]
        parts[name] = score(sum(right), len(right)).as_json() if right else None
    return parts


def _predictions(
    final: Evaluation,
    warmup: Evaluation | None,
    decoded: Decoded | None,
    in_train: Mapping[str, Sequence[bool]],
) -> list[dict[str, Any]]:
    records = []
    for i, (problem, outcome) in enumerate(zip(final.problems, final.outcomes, strict=True)):
        record: dict[str, Any] = {
            "id": problem.id,
            "question": problem.question,
            "response": final.responses[i],
            "answer": outcome.answer,
            "gold": problem.answer,
            "reasoning": problem.cot or problem.solution,
            "outcome": outcome.kind,
            "detail": outcome.detail,
        }
        record |= {f"{likeness}_in_train": held[i] for likeness, held in in_train.items()}
        if warmup is not None:
            before = warmup.outcomes[i]
            told = {"response": warmup.responses[i], "answer": before.answer, "outcome": before.kind}
            record["warmup"] = told | {"detail": before.detail}
        if decoded is not None:
            record["samples"] = decoded.predictions[i]
        records.append(record)
    return records
