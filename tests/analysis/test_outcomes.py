"""Shares of outcomes, at the end and over training."""

from __future__ import annotations

import pytest

from reft_lab.analysis.curves import seed_bands
from reft_lab.analysis.outcomes import final_outcomes, outcome_curves
from tests.analysis.frames import found, history, runs_of

RUNS = runs_of(
    found("a", seed=0, outcomes={"wrong": 30, "correct": 70}),
    found("b", seed=1, outcomes={"correct": 50, "timeout": 50}),
    found("c", seed=0, reward="exact", outcomes={"correct": 10}),
    found("d", seed=1, reward="exact", state="failed"),
)


def test_seeds_are_taken_together():
    frame = final_outcomes(RUNS.table, ["reward"])
    partial = frame[frame["reward"] == "partial"].set_index("outcome")
    assert list(partial.index) == ["correct", "wrong", "timeout"]  # as documented, and no kind that never occurs
    assert list(partial["problems"]) == [120, 30, 50]
    assert list(partial["share"]) == pytest.approx([0.6, 0.15, 0.25])
    exact = frame[frame["reward"] == "exact"].set_index("outcome")
    assert list(exact["share"]) == [1.0, 0.0, 0.0]


def test_curves_are_by_kind():
    rows = [
        (run, step, f"rollout/outcome/{kind}", share)
        for run in "ab"
        for step in (1, 2)
        for kind, share in (("correct", 0.25 * step), ("wrong", 1 - 0.25 * step), ("memory", 0.0))
    ]
    rows += [(run, 1, "rollout/reward", 0.5) for run in "ab"]
    frame = outcome_curves(seed_bands(history(rows), RUNS.table, ["reward"]))
    assert "metric" not in frame
    assert set(frame["outcome"]) == {"correct", "wrong"}
    assert frame.groupby("step")["mean"].sum().tolist() == [1.0, 1.0]


def test_sources_without_outcomes_give_empty_frames():
    assert final_outcomes(runs_of(found("a")).table, ["reward"]).empty
    assert outcome_curves(seed_bands(history([]), RUNS.table, ["reward"])).empty
