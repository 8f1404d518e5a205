"""Two models problem by problem, from predictions."""

from __future__ import annotations

import pandas
import pytest

from reft_lab.analysis.power import needed_by_problems
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
        {"run": run, "id": f"p{n}", "question": f"{n} and 1?", "outcome": last, "warmup_outcome": first}
        for run, (final, warmup) in OUTCOMES.items()
        for n, (last, first) in enumerate(zip(final, warmup, strict=True))
    ]
)
RUNS = runs_of(found("a", seed=3), found("b", seed=4), found("a/baseline_sft", seed=3, method="sft"))


def asked(run, **questions):
    """Predictions of a run: by id the question and whether it was answered right."""
    rows = [
        {"run": run, "id": id, "question": question, "outcome": "correct" if right else "wrong"}
        for id, (question, right) in questions.items()
    ]
    return pandas.DataFrame(rows)


def both(ours, theirs):
    return compare_runs(pandas.concat([asked("a", **ours), asked("b", **theirs)]), "a", "b")


def test_problems_are_matched_by_question():
    shuffled = PREDICTIONS.iloc[::-1]
    found = compare_runs(shuffled, "a", "b")
    assert (found.both, found.only_ours, found.only_theirs, found.neither) == (1, 2, 0, 1)


def test_a_part_of_the_questions_is_refused():
    part = PREDICTIONS[(PREDICTIONS["run"] == "a") | (PREDICTIONS["id"] != "p1")]
    for ours, theirs in (("a", "b"), ("b", "a")):
        with pytest.raises(BadInput, match=r"one was tested on 3 of the 4 questions of the other; .*eval\.test_limit"):
            compare_runs(part, ours, theirs)


def test_the_same_question_under_another_id_is_the_same_question():
    ours = {"p0": ("1 and 1?", True), "p1": ("2 and 2?", False), "p2": ("3 and 3?", True)}
    found = both(ours, {"q0": ("2 and\n 2?", True), "q1": ("1 and 1?", True), "q2": ("3 and 3?", False)})
    assert (found.both, found.only_ours, found.only_theirs, found.neither) == (1, 1, 1, 0)
    # The same file in another order, where ids are places in it.
    found = both(ours, {"p2": ("1 and 1?", True), "p0": ("2 and 2?", True), "p1": ("3 and 3?", False)})
    assert (found.both, found.only_ours, found.only_theirs, found.neither) == (1, 1, 1, 0)


def test_other_questions_under_the_same_ids_are_refused():
    ours = {"p0": ("1 and 1?", True), "p1": ("2 and 2?", False), "p2": ("5 and 5?", True)}
    for theirs in ({**ours, "p1": ("3 and 3?", True)}, {"p1": ("3 and 3?", True)}):
        with pytest.raises(BadInput, match=r"under the same id, p1, .*'2 and 2\?' and the other '3 and 3\?'") as raised:
            both(ours, theirs)
        assert "'a' and 'b'" in str(raised.value)
        assert "\n" not in str(raised.value)


def test_a_question_that_comes_twice_is_paired_in_order():
    ours = {"p0": ("1 and 1?", True), "p1": ("1 and 1?", False), "p2": ("1 and 1?", True)}
    found = both(ours, {"q0": ("1 and 1?", True), "q1": ("1 and 1?", True), "q2": ("1 and 1?", False)})
    assert (found.both, found.only_ours, found.only_theirs, found.n) == (1, 1, 1, 3)
    with pytest.raises(BadInput, match=r"one was asked '1 and 1\?' more often than the other"):
        both(ours, {"q0": ("1 and 1?", True), "q1": ("1 and 1?", True)})


def test_questions_that_overlap_in_part_are_refused():
    ours = {"p0": ("1 and 1?", True), "p1": ("2 and 2?", False)}
    theirs = {"p7": ("1 and 1?", True), "p8": ("3 and 3?", False)}
    with pytest.raises(BadInput, match=r"of 3 only 1 were asked of both, and '2 and 2\?' was not"):
        both(ours, theirs)


def test_other_gold_answers_are_other_questions():
    frame = PREDICTIONS.assign(gold=[str(n) for n in range(4)] * 3)
    assert compare_runs(frame, "a", "b").n == 4
    frame.loc[frame["run"].eq("b") & frame["id"].eq("p2"), "gold"] = "7"
    with pytest.raises(BadInput, match=r"other gold answers: that of '2 and 1\?' is [27] in one of them alone"):
        compare_runs(frame, "a", "b")


def test_runs_that_cannot_be_compared():
    with pytest.raises(BadInput, match="'c' has no predictions"):
        compare_runs(PREDICTIONS, "a", "c")
    others = pandas.concat([PREDICTIONS, asked("c", x=("9 and 9?", False))])
    with pytest.raises(BadInput, match="different questions"):
        compare_runs(others, "a", "c")


def test_reft_against_its_own_warmup():
    frame = against_warmup(PREDICTIONS, RUNS.table).set_index("run")
    assert list(frame.index) == ["a", "b"]  # the baseline has no warm-up
    expected = compare_problems([True, True, False, True], [False, True, False, False])
    row = frame.loc["a"]
    assert (row["seed"], row["n"], row["only_ours"], row["difference"]) == (3, 4, 2, 0.5)
    assert (row["p"], row["low"]) == (expected.p, expected.low)
    assert list(frame["p_holm"]) == holm(list(frame["p"]))
    assert row["questions_needed"] == needed_by_problems(expected).questions


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
