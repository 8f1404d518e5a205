"""Runs that are going on, that were killed, and whose files are damaged: a row for each, and never an exception."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pandas
import pytest

from reft_lab.analysis import load
from reft_lab.analysis.found import STATES
from reft_lab.run_dir.lock import RunLock
from tests.real_run import copied

FILES = ("config.yaml", "passport.json", "result.json", "metrics.jsonl")


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return copied(made, tmp_path / "runs" / "one")


def only_row(run: Path) -> pandas.Series:
    table = load(run.parent).table
    assert len(table) == 1
    return table.iloc[0]


def test_a_run_under_way_is_running_until_its_process_is_gone(run: Path) -> None:
    (run / "result.json").unlink()
    script = (
        "import sys, time; from pathlib import Path; from reft_lab.run_dir.lock import RunLock\n"
        "lock = RunLock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(run)], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            said = (run / ".lock").read_text()
            row = only_row(run)
            assert (row.state, row.method) == ("running", "reft")
            assert pandas.isna(row.reason)
            assert pandas.isna(row.final_test_accuracy)
            last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
            assert (row.step, row.seconds) == (last["step"], last["seconds"])
            assert (run / ".lock").read_text() == said, "looking changed the lock"
        finally:
            os.kill(holder.pid, signal.SIGKILL)
    row = only_row(run)
    assert (row.state, row.reason) == ("crashed", "It left no result, and no process works on it.")


def test_looking_at_a_run_does_not_keep_its_process_out(run: Path) -> None:
    (run / "result.json").unlink()
    (run / ".lock").touch()
    assert only_row(run).state == "crashed"
    RunLock(run).release()


def test_a_run_that_has_just_begun_is_running(run: Path) -> None:
    for name in ("result.json", "passport.json", "predictions.jsonl", "config.yaml"):
        (run / name).unlink()
    (run / "metrics.jsonl").write_text("")
    (run / "config.yaml").write_text("name: young\n")
    with closing_lock(run):
        assert only_row(run).state == "running"
        (run / "metrics.jsonl").unlink()
        (run / "passport.json").write_text('{"started": "2026-01-02T03:04:05+00:00"}')
        assert only_row(run).state == "running"


def closing_lock(run: Path) -> closing:
    lock = RunLock(run)
    lock.close = lock.release  # type: ignore[attr-defined]
    return closing(lock)


@pytest.mark.parametrize("status", ["failed", "interrupted", "pruned"])
def test_a_run_that_ended_otherwise_says_why(run: Path, status: str) -> None:
    nothing = {"warmup": None, "final": None, "baseline_sft": None, "seconds": {"total": 12.5}}
    result = {"status": status, "reason": "the disk is full.", "name": "n", "method": "reft", "seed": 0, **nothing}
    (run / "result.json").write_text(json.dumps(result))
    row = only_row(run)
    assert (row.state, row.reason, row.seconds) == (status, "the disk is full.", 12.5)
    assert row[["final_test_accuracy", "warmup_dev_n", "outcome_correct", "chosen"]].isna().all()


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"{", b"[1, 2]", b'"text"', b"\xff\xfe\x00", b"null", b"- a\n"])
@pytest.mark.parametrize("name", FILES[:3])
def test_a_file_that_is_no_file_of_its_kind_is_damage(run: Path, name: str, content: bytes) -> None:
    whole = only_row(run)
    (run / name).write_bytes(content)
    row = only_row(run)
    assert row.state == "damaged"
    assert name in row.reason
    assert row.reason.endswith(".")
    assert "\n" not in row.reason
    others = {
        "config.yaml": ["config.ppo.kl_coef", "model"],
        "passport.json": ["started"],
        "result.json": ["final_test_accuracy", "outcome_wrong", "chosen"],
    }
    for file, columns in others.items():
        for column in columns:
            if file == name:
                assert column not in row or pandas.isna(row[column])
            else:
                assert row[column] == whole[column]
    # What two files hold is taken from the other one.
    assert (row["name"], row.method, row.seed) == (whole["name"], whole.method, whole.seed)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file(run: Path, name: str) -> None:
    (run / name).unlink()
    row = only_row(run)
    if name == "result.json":
        assert row.state == "crashed"
    else:
        assert row.state == "damaged"
        assert row.reason == f"{name} is missing."


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_may_not_be_read(run: Path, name: str) -> None:
    (run / name).unlink()
    (run / name).mkdir()  # root may read everything else
    row = only_row(run)
    assert row.state == "damaged"
    assert f"{name} cannot be read" in row.reason


@pytest.mark.parametrize(
    "result",
    [
        {"status": "finished", "final": "x", "warmup": [1], "seconds": None, "outcomes": {"correct": "many"}},
        {"status": "finished", "final": {"test": {"accuracy": "high", "n": None, "ci95": [0.1]}}, "seconds": 3},
        {"status": "finished", "final": {"test": {"accuracy": True, "ci95": {"low": 1}}}, "seed": "x", "name": 3},
    ],
)
def test_values_of_another_kind_are_no_values(run: Path, result: dict[str, object]) -> None:
    (run / "result.json").write_text(json.dumps(result))
    row = only_row(run)
    assert row[["final_test_accuracy", "final_test_n", "final_test_low"]].isna().all()
    assert row.state == "finished"


def test_an_unknown_status_is_damage(run: Path) -> None:
    (run / "result.json").write_text('{"status": "splendid"}')
    assert only_row(run).reason == "result.json names no status."


def test_damaged_lines_are_left_out_and_told(run: Path) -> None:
    file = run / "metrics.jsonl"
    before = load(run).history()
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(
        b"".join([lines[0], b'{"step": 2, "war\n', b"\0\0\n", b"[]\n", *lines[2:], b'{"step": 99, "a": 1'])
    )
    runs = load(run)
    assert runs.table.state[0] == "damaged"
    assert "metrics.jsonl ends in a torn line" in runs.table.reason[0]
    pandas.testing.assert_frame_equal(runs.history(), before[before.step != 2].reset_index(drop=True))
    assert runs.problems == [f"{file}: 3 damaged lines left out"]


def test_the_torn_line_of_a_killed_run_is_no_damage(run: Path) -> None:
    (run / "result.json").unlink()
    before = load(run).history()
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 99, "ppo/kl')
    runs = load(run)
    assert runs.table.state[0] == "crashed"
    pandas.testing.assert_frame_equal(runs.history(), before)
    assert runs.problems == []


def test_one_damaged_run_does_not_hide_the_others(run: Path) -> None:
    for number in range(3):
        copied(run, run.parent / f"other-{number}")
    (run / "config.yaml").write_text("a: [")
    table = load(run.parent).table
    assert sorted(table.state) == ["damaged", "finished", "finished", "finished"]


def test_a_config_edited_by_hand_is_read_as_yaml(run: Path) -> None:
    """It is read section by section, which must not show."""
    (run / "config.yaml").write_text(
        "# a comment\nname: 'two\n\n  words: here'\nppo: {kl_coef: 0.5,\n  lam: 1}\n"
        'method: "re\\\n  ft"\ntracker:\n  tags:\n  - x\n  - y\n\nlimits: &a\n  low: 1\nother: *a\n'
    )
    row = only_row(run)
    assert row.state == "finished"
    assert (row["name"], row.method) == ("two\nwords: here", "reft")
    assert (row["config.ppo.kl_coef"], row["config.ppo.lam"], row["config.tracker.tags"]) == (0.5, 1.0, "x, y")
    assert (row["config.limits.low"], row["config.other.low"]) == (1, 1)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("result.json", '{"status": "failed", "reason": "half a \\ud83d character", "name": "\\udc00"}'),
        ("result.json", f'{{"status": "failed", "seed": {10**30}, "seconds": {{"total": {10**400}}}}}'),
        ("result.json", '{"status": "failed", "seconds": {"total": 1e999}, "outcomes": {"wrong": NaN}}'),
        ("passport.json", '{"started": "0001-01-01T00:00:00+00:00"}'),
        ("passport.json", '{"started": "9999-12-31T23:59:59+00:00"}'),
        ("passport.json", '{"started": "2026-01-02"}'),
        ("config.yaml", f"seed: {10**30}\nppo: {{lr: {10**400}}}\nname: 2026-01-02\n1: {{2: 3}}\nmethod: [a]\n"),
        ("config.yaml", 'name: "\\ud83d"\nmodel: {name: {deeper: 1}}\nstudy: {trial: true}\nreward: text\n'),
        ("metrics.jsonl", f'{{"step": {10**30}, "a": 1}}\n{{"step": 2, "a": {10**400}, "b\\ud83d": 1}}\n'),
        ("metrics.jsonl", '{"step": true, "a": 1}\n{"step": "x"}\n{"a": null, "step": 1, "seconds": []}\n'),
    ],
)
def test_values_that_no_run_writes(run: Path, name: str, text: str) -> None:
    (run / name).write_text(text)
    runs = load(run)
    assert runs.table.state[0] in STATES
    runs.table.to_csv()
    runs.history().to_csv()


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_to_the_files_there_is_a_row(run: Path, seed: int) -> None:
    """Bytes are cut off, changed and put in at random, in several files at once."""
    draw = random.Random(seed)
    for name in draw.sample([*FILES, "samples.jsonl", "predictions.jsonl"], k=draw.randint(1, 4)):
        content = bytearray((run / name).read_bytes())
        for _ in range(draw.randint(1, 5)):
            place = draw.randrange(len(content)) if content else 0
            kind = draw.randrange(4)
            if kind == 0:
                del content[place:]
            elif kind == 1:
                content[place : place + 1] = bytes([draw.randrange(256)])
            elif kind == 2:
                content[place:place] = draw.choice([b"\n", b"null", b"{", b'"', b"\0\0\0", b"1e999", b": ", b"- "])
            else:
                del content[place : place + draw.randint(1, 200)]
        (run / name).write_bytes(bytes(content))
    runs = load(run)
    (state,) = runs.table.state
    assert state in STATES
    runs.history()
    runs.samples()
    runs.predictions()
