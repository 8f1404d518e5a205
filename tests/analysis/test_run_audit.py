"""The audit of a run, on responses that were written so that one knows what is in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reft_lab.analysis import load
from reft_lab.analysis.responses import MOST_SAMPLES, Response, responses, thinned
from reft_lab.analysis.run_audit import Audit, audit, read_audit
from reft_lab.data.problem import Problem
from reft_lab.programs import ProgramRunner
from reft_lab.programs.settings import ProgramsConfig
from tests.report.written import write_lines, write_run

QUESTION = "Tom has 12 apples and buys 30. How many apples does he have?"
CHOICE = "what is twice 6 ?\na ) 10 , b ) 12 , c ) 14 , d ) 16"


@pytest.fixture(scope="module")
def programs():
    with ProgramRunner(ProgramsConfig()) as runner:
        yield runner


def line(response: str, answer: str | None, outcome: str, gold: str = "42", question: str = QUESTION, **more) -> dict:
    fields = {"id": "p", "question": question, "response": response, "answer": answer, "gold": gold}
    return fields | {"outcome": outcome} | more


def audited(directory: Path, programs: ProgramRunner) -> tuple[Audit, dict]:
    (run,) = load(directory).found
    found = audit(run, programs)
    return found, {each.name: each for each in found.findings}


def test_programs(tmp_path, programs):
    sums = "    a = 12\n    b = 30\n    return a + b\n"
    predictions = [
        *[line(sums, "42", "correct")] * 7,
        line("    return 42\n", "42", "correct"),
        line("    return 40 + 2\n", "42", "correct"),
        line("    a = 12\n    return a + 30.004\n", "42.004", "correct"),
        line("    return 7\n", "7", "wrong"),
        # The released code cuts at the blank line, where this program returns nothing yet.
        line("    a = 12\n\n    return a + 30\n", "42", "correct"),
    ]
    samples = [
        line(sums, "42", "correct", step=11, reward=1.0),
        line("    return 7\n", "7", "wrong", step=11, reward=0.1),
        line(sums, "42", "correct", step=14, reward=1.0),
        line("    return 8\n", "8", "wrong", step=14, reward=1.0),
        line("    retu", None, "syntax_error", step=14, reward=0.0),
    ]
    run = write_run(tmp_path / "run", "cot.number_slots=false", samples=samples)
    write_lines(run / "predictions.jsonl", predictions)
    found, by_name = audited(run, programs)
    assert (found.predictions, found.samples, found.left_out) == (12, 5, 0)
    assert dict(by_name["shortcuts"].numbers) == {"right": 13, "written_down": 1, "ignores_numbers": 1}
    assert {each["why"] for each in by_name["shortcuts"].examples} == {"written_down", "ignores_numbers"}
    assert "2 of 13 right answers (15.4 %)" in by_name["shortcuts"].verdict
    partial = by_name["partial_reward"].numbers
    assert partial["from_wrong"] == pytest.approx(1.1 / 3.1)
    assert partial["from_wrong_halves"] == [pytest.approx(0.1 / 1.1), pytest.approx(1 / 2)]
    assert partial["disagreement"] == pytest.approx(1 / 3)
    assert by_name["partial_reward"].examples[0]["answer"] == "8"
    assert dict(by_name["tolerance"].numbers) == {"right": 13, "by_tolerance": 1}
    assert by_name["tolerance"].examples[0]["answer"] == "42.004"
    second = by_name["second_reader"]
    assert dict(second.numbers) == {"responses": 17, "other_answer": 1, "judged_otherwise": 1}
    assert second.examples[0]["second_answer"] is None
    assert second.examples[0]["response"] == predictions[-1]["response"]
    assert "letter_prior" not in by_name
    assert by_name["outcomes"].numbers["steps"] > 0


def test_words_and_letters(tmp_path, programs):
    reasoned = "Twice 6 is 6 + 6, which comes to 12.\nTherefore, the answer is: b"
    predictions = [
        *[line(reasoned, "b", "correct", "b", CHOICE)] * 3,
        line("Therefore, the answer is: b", "b", "correct", "b", CHOICE),
        line("It is c. Therefore, the answer is: b\nOr d", "b", "correct", "b", CHOICE),
        line("Therefore, the answer is: a", "a", "wrong", "b", CHOICE),
        line("no idea", None, "no_answer", "d", CHOICE),
    ]
    run = write_run(tmp_path / "run", "cot.name=natural", "data.name=mathqa", "cot.number_slots=false")
    write_lines(run / "predictions.jsonl", predictions)
    _, by_name = audited(run, programs)
    assert dict(by_name["bare_letters"].numbers) == {"right": 5, "bare": 2}
    prior = by_name["letter_prior"].numbers
    assert (prior["constant_letter"], prior["constant"], prior["answered"]) == ("b", pytest.approx(6 / 7), 6)
    assert prior["said"]["a"] == pytest.approx(1 / 6)
    assert prior["distance"] == pytest.approx(sum(abs(prior["said"][x] - prior["gold"][x]) for x in "abcd") / 2)
    assert by_name["letter_prior"].stands_out  # 5 of 7 are right, and always b would be right in 6
    assert dict(by_name["second_reader"].numbers) == {"responses": 7, "other_answer": 1, "judged_otherwise": 1}
    assert by_name["second_reader"].examples[0]["second_answer"] == "d"
    assert "shortcuts" not in by_name
    assert "tolerance" not in by_name


def test_a_reward_that_goes_below_0_and_begins_to_pay_for_nothing(tmp_path, programs):
    """All that was paid at first went to right answers, in the end half of it did not; a penalty takes nothing back."""
    samples = [
        line("12 + 30 = 42", "42", "correct", step=1, reward=1.0),
        line("no", None, "no_answer", step=1, reward=-1.0),
        line("12 + 30 = 42", "42", "correct", step=9, reward=1.0),
        line("7", "7", "wrong", step=9, reward=1.0),
    ]
    run = write_run(tmp_path / "run", "cot.name=natural", "cot.number_slots=false", samples=samples)
    _, by_name = audited(run, programs)
    partial = by_name["partial_reward"]
    assert partial.numbers["from_wrong"] == pytest.approx(1 / 3)
    assert partial.numbers["from_wrong_halves"] == [0.0, 0.5]
    assert partial.verdict == (
        "33.3 % of the reward went to responses without the right answer (0.0 % in the first half, 50.0 % in the "
        "second); in 50.0 % of the pairs of a right and another response of one iteration, the other earned as much or "
        "more."
    )


def test_a_policy_that_never_answers_a_letter_has_no_favourite(tmp_path, programs):
    run = write_run(tmp_path / "run", "cot.name=natural", "data.name=mathqa", "cot.number_slots=false")
    write_lines(run / "predictions.jsonl", [line("no idea", None, "no_answer", "d", CHOICE)] * 3)
    _, by_name = audited(run, programs)
    assert by_name["letter_prior"].verdict.startswith("It never answers a letter; always d would be right in 100.0 %")


def test_the_last_number_is_the_second_reader_of_words(tmp_path, programs):
    predictions = [
        line("12 + 30 = 42.\nTherefore, the answer is: 42", "42", "correct"),
        line("Therefore, the answer is: 42 apples in 2 bags", "42", "correct"),
    ]
    run = write_run(tmp_path / "run", "cot.name=natural", "cot.number_slots=false")
    write_lines(run / "predictions.jsonl", predictions)
    _, by_name = audited(run, programs)
    assert dict(by_name["second_reader"].numbers) == {"responses": 2, "other_answer": 1, "judged_otherwise": 1}
    assert by_name["second_reader"].examples[0]["second_answer"] == "2"


def test_damaged_and_unfinished_runs(tmp_path, programs):
    sample = line("    return 42\n", "42", "correct", step=11, reward=1.0)
    run = write_run(tmp_path / "run", accuracy=None, samples=[sample])
    with (run / "samples.jsonl").open("ab") as file:
        for damaged in ({**sample, "question": 3}, {**sample, "outcome": "splendid"}, {**sample, "gold": "z"}):
            file.write(json.dumps(damaged).encode() + b"\n")
        file.write(b"\x00\xff\n{\n" + json.dumps(sample).encode()[:30])
    found, by_name = audited(run, programs)
    assert (found.predictions, found.samples, found.left_out) == (0, 1, 3)
    assert by_name["shortcuts"].numbers["written_down"] == 1
    assert json.loads(found.as_text())["findings"]
    empty, _ = audited(write_run(tmp_path / "empty", accuracy=None), programs)
    assert (empty.predictions, empty.samples) == (0, 0)


def test_a_damaged_audit_is_no_audit(tmp_path):
    file = tmp_path / "audit.json"
    assert read_audit(tmp_path) is None
    for text in ("", "[]", "{}", '{"findings": 3, "predictions": 1, "samples": 1}'):
        file.write_text(text)
        assert read_audit(tmp_path) is None
    file.write_text('{"findings": [1, {"name": "x"}], "predictions": 1, "samples": 1}')
    assert read_audit(tmp_path)["findings"] == []


def test_of_many_samples_whole_steps_are_read():
    problem = Problem("p", QUESTION, "42", None, "here")
    many = [Response(problem, "", "42", "correct", step, 1.0) for step in range(1, 1001) for _ in range(8)]
    kept = thinned(many)
    steps = {each.step for each in kept}
    assert len(kept) == 8 * len(steps) <= MOST_SAMPLES
    assert {1, 1000} <= steps
    assert thinned(many[:80]) == many[:80]


def test_lines_of_both_kinds_are_responses():
    found, left_out = responses([line("x", None, "no_answer"), line("x", "b", "correct", "b", CHOICE), {}])
    assert left_out == 1
    assert [each.problem.options for each in found] == [(), ("10", "12", "14", "16")]
