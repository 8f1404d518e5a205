"""Two models problem by problem, from predictions."""

from __future__ import annotations

import pandas
import pytest

from reft_lab.analysis.problems import against_baseline, against_warmup, compare_runs
from reft_lab.analysis.statistics import compare_problems, holm
from reft_lab.errors import BadInput
from tests.analysis.frames import found, runs_of

OUTCOMES = {
    # the final answers, and those after the warm-up
    "a": (["correct", "correct", "wrong", "correct"], ["wrong", "correct", "wrong", "timeout"]),
    "b": (["wrong", "wrong", "wrong", "correct"], ["correct", "wrong", "wrong", "wrong"]),
    "a/baseline_sft": (["wrong", "correct", "correct", "wrong"], [None] * 4),
}
PREDICTIONS = pandas.DataFrame(
    [
        {"run": run, "id": f"problem-{n}", "outcome": last, "warmup_outcome": first}
        for run, (final, warmup) in OUTCOMES.items()
        for n, (last, first) in enumerate(zip(final, warmup, strict=True))
    ]
)
RUNS = runs_of(found("a", seed=3), found("b", seed=4), found("a/baseline_sft", seed=3, method="sft"))


def test_problems_are_matched_by_id():
    shuffled = PREDICTIONS.iloc[::-1]
    found = compare_runs(shuffled, "a", "b")
    assert (found.both, found.only_ours, found.only_theirs, found.neither) == (1, 2, 0, 1)
    part = PREDICTIONS[(PREDICTIONS["run"] == "a") | (PREDICTIONS["id"] != "problem-1")]
    assert compare_runs(part, "a", "b").n == 3  # what both were tested on


def test_runs_that_cannot_be_compared():
    with pytest.raises(BadInput, match="'c' has no predictions"):
        compare_runs(PREDICTIONS, "a", "c")
    others = pandas.concat([PREDICTIONS, pandas.DataFrame([{"run": "c", "id": "x", "outcome": "wrong"}])])
    with pytest.raises(BadInput, match="different problems"):
        compare_runs(others, "a", "c")


def test_reft_against_its_own_warmup():
    frame = against_warmup(PREDICTIONS, RUNS.table).set_index("run")
    assert list(frame.index) == ["a", "b"]  # the baseline has no warm-up
    expected = compare_problems([True, True, False, True], [False, True, False, False])
    row = frame.loc["a"]
    assert (row["seed"], row["n"], row["only_ours"], row["difference"]) == (3, 4, 2, 0.5)
    assert (row["p"], row["low"]) == (expected.p, expected.low)
    assert list(frame["p_holm"]) == holm(list(frame["p"]))


def test_reft_against_the_baseline_beside_it():
    frame = against_baseline(PREDICTIONS, RUNS.table)
    assert list(frame["run"]) == ["a"]
    assert frame.iloc[0][["both", "only_ours", "only_theirs", "neither"]].tolist() == [1, 2, 1, 0]


def test_runs_that_did_not_finish_are_left_out():
    table = runs_of(found("a", state="interrupted"), found("b")).table
    assert list(against_warmup(PREDICTIONS, table)["run"]) == ["b"]


def test_without_predictions_there_is_nothing():
    nothing = pandas.DataFrame({"run": pandas.Series(dtype="str")})
    for compare in (against_warmup, against_baseline):
        frame = compare(nothing, RUNS.table)
        assert frame.empty
        assert "p_holm" in frame
