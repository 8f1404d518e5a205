"""`reft watch` in a pseudo-terminal, on runs that grow while they are watched, and on one that is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from reft_lab.analysis.live import LiveRun
from reft_lab.analysis.live_study import LiveStudy
from reft_lab.cli.watch.drawing import load
from reft_lab.cli.watch.watching import state
from reft_lab.numbers import finite
from reft_lab.run_dir.following import Following
from reft_lab.run_dir.progress import read_doing
from tests.cli.ended import Ended
from tests.cli.screen import ENTERS, LEAVES, Screen
from tests.cli.written import write_run

REPO = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPO)}


def grow(path: Path, total: int, wait_after: int) -> subprocess.Popen[bytes]:
    """A run that is recorded from now on; it waits after a step, until there is a file `go` beside it."""
    words = [str(path), str(total), str(wait_after), "0.1"]
    return subprocess.Popen([sys.executable, "-m", "tests.cli.growing_run", *words], cwd=REPO, env=ENVIRONMENT)


def until(true: Callable[[], bool]) -> None:
    """Wait for it."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def wait_until_it_runs(folder: Path, run: str = "run") -> Path:
    """Returns `folder` once the run in it says what it does."""
    until(lambda: read_doing(folder / run) is not None)
    return folder


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a run of 40 iterations that stays at its 12th."""
    folder = tmp_path_factory.mktemp("growing")
    process = grow(folder / "outputs" / "run", 40, 12)
    yield folder
    process.kill()
    process.wait()


@pytest.mark.parametrize(("columns", "rows"), [(56, 24), (80, 24), (160, 50)])
def test_a_run_is_watched_while_it_goes_and_left_with_q(growing: Path, columns: int, rows: int) -> None:
    until(lambda: read_doing(growing / "outputs" / "run") is not None)
    with closing(Screen(["watch"], columns, rows, growing)) as screen:  # the one that is running
        picture = screen.wait_for("step 12")
        shown = "\n".join(picture)
        assert len(picture) <= rows
        assert max(map(cell_len, picture)) <= columns
        assert picture[0].startswith("running  growing")
        assert picture[-1].startswith("q leaves")
        assert re.search(r"machine  CPU \d+ % \(this run \d+ %\)\s+RAM \d+ % \(this run [\d.]+ [MG]iB\)", shown)
        for part in ("seed 7", "stage 2 of 2", "/40 iterations", " %", " left", "━", "▁", "█", "reward 0."):
            assert part in shown
        assert "alarm entropy, on since step 3" in shown
        assert "alarm kl, was on at step 2:" in shown
        if rows > 24:
            for part in ("Reward ", "correct", "30.0 %", "sample of step 12", "What is 12 + 1?", "语言"):
                assert part in shown
        screen.press("q")
        code, left = screen.end()
        assert code == 0
        assert any("/40 iterations" in line for line in left), "the last picture stays"
        assert screen.modes() == screen.modes_before
        assert (screen.written.count(ENTERS), screen.written.count(LEAVES)) == (1, 1)
        assert b"\x1b[2J\x1b]0;" not in screen.written, "a response may not speak to the terminal"


def test_it_follows_a_run_to_its_end_and_ends_with_it(tmp_path: Path) -> None:
    process = grow(tmp_path / "run", 20, 12)
    with closing(Screen(["watch", "run"], 80, 24, wait_until_it_runs(tmp_path))) as screen:
        screen.wait_for("step 12")
        (tmp_path / "go").touch()
        code, left = screen.end(60)
    assert process.wait() == code == 0
    assert left[0].startswith("finished  growing")
    assert left[0].endswith("step 20")
    assert any(line.startswith("after ReFT") and "dev 50.0 % (20.0 to 80.0, n 10)" in line for line in left)
    assert not (tmp_path / "run" / "progress.json").exists()


def test_it_ends_with_a_run_that_is_killed_and_says_how_far_that_was(tmp_path: Path) -> None:
    process = grow(tmp_path / "run", 40, 12)
    with closing(Screen(["watch", "run"], 80, 24, wait_until_it_runs(tmp_path))) as screen:
        screen.wait_for("/40 iterations")
        process.kill()
        process.wait()
        code, left = screen.end()
    assert code == 0
    shown = "\n".join(left)
    assert shown.startswith("crashed  growing")
    assert "stopped at ReFT" in shown
    assert " s left" not in shown
    assert "go on with: python run.py resume=run" in shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_leave_the_terminal_as_it_was(growing: Path, number: int) -> None:
    with closing(Screen(["watch", "outputs/run"], 80, 24, wait_until_it_runs(growing, "outputs/run"))) as screen:
        screen.wait_for("/40 iterations")
        if number == signal.SIGINT:
            screen.press("\x03")
        else:
            screen.process.send_signal(number)
        code, _ = screen.end()
        assert code == (0 if number == signal.SIGINT else 128 + number)
        assert screen.modes() == screen.modes_before
        assert screen.written.count(LEAVES) == 1


def test_in_a_pipe_it_prints_one_picture(growing: Path) -> None:
    wait_until_it_runs(growing, "outputs/run")
    words = [sys.executable, "-m", "reft_lab.cli", "watch", "run"]
    ended = subprocess.run(words, cwd=growing, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.startswith("running  growing")
    assert "\x1b" not in ended.stdout
    assert ended.stderr == ""


def test_a_program_reads_where_a_run_stands(growing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(wait_until_it_runs(growing, "outputs/run"))
    until(lambda: state("run")["step"] == 12)
    found = json.loads(json.dumps(finite(state("run"))))
    assert (found["run"], found["state"], found["is_over"], found["host"]) == ("outputs/run", "running", False, "here")
    doing = found["doing"]
    assert (doing["title"], doing["unit"], doing["total"], doing["numbers"]["dev"]) == ("ReFT", "iterations", 40, 0.5)
    assert found["metrics"]["rollout/reward"] == 12 / 40
    assert found["alarms"]["kl"] == {"first": 2, "last": 2, "is_on": False}
    assert found["outcomes"]["shares"] == {"correct": 0.3, "wrong": 0.7}
    assert found["machine"].keys() == {"machine/cpu", "machine/run_cpu", "machine/memory", "machine/run_memory"}
    assert found["result"] is None
    study = state("outputs")
    assert study["machine"] == {"here": found["machine"]}
    assert [(row["run"], row["value"]) for row in study["runs"]] == [("outputs/run", 0.5)]


def test_the_load_of_a_study_is_that_of_each_host(growing: Path, tmp_path: Path) -> None:
    study = LiveStudy(growing / "outputs")
    (row,) = study.rows.values()
    row.run.load = {"machine/cpu": 0.5, "machine/run_cpu": 0.25}
    far = replace(row.found, host="there")
    other, third = copy(row), copy(row)
    other.run, third.run = copy(row.run), copy(row.run)
    other.run.load, third.run.load, third.run.found = {"machine/cpu": 0.7, "machine/run_cpu": 0.5}, {}, far
    study.rows = {Path("a"): row, Path("b"): other, Path("c"): third}
    assert study.load == {"here": {"machine/cpu": pytest.approx(0.6), "machine/run_cpu": 0.75}, "there": {}}
    lines = load(study.load["here"], 56, "these runs", "here")
    assert [str(line) for line in lines] == ["here  CPU 60 % (these runs 75 %)"]


def test_the_list_of_runs_says_how_far_they_are(growing: Path) -> None:
    wait_until_it_runs(growing, "outputs/run")
    words = [sys.executable, "-m", "reft_lab.cli", "runs"]
    ended = subprocess.run(words, cwd=growing, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=True)
    head, line = ended.stdout.splitlines()
    assert "now" in head.split()
    assert re.search(r"ReFT \d+/40 iterations, \d+ %, .* left, dev 50.0 %", line)


def test_a_run_that_was_written_anew_is_shown_anew(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    following = Following(file)
    assert following.new() == ([], False)
    file.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert following.new() == ([{"step": 1}, {"step": 2}], True)
    with file.open("a") as opened:
        opened.write('ep": 3}\nno json\n{"step": 4}\n')
    assert following.new() == ([{"step": 3}, {"step": 4}], False)
    assert following.new() == ([], False)
    part = tmp_path / "part"
    part.write_text('{"step": 1}\n')
    part.replace(file)
    assert following.new() == ([{"step": 1}], True)
    tail = Following(file, tail=3)
    assert tail.new() == ([], True)


def test_a_long_run_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "run", right=None)
    lines = [{"step": step, "seconds": step, "rollout/reward": step % 2} for step in range(1, 5001)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    live = LiveRun(run)
    curve = live.curves["rollout/reward"]
    assert len(curve.points) <= 1024
    assert statistics.fmean(curve.points) == pytest.approx(0.5, abs=0.01)
    read: list[bytes] = []
    monkeypatch.setattr("reft_lab.run_dir.following.whole_line", lambda line: read.append(line))
    live.look()
    assert read == []


def test_a_folder_without_runs(reft: Callable[..., Ended], tmp_path: Path) -> None:
    assert reft("watch", str(tmp_path)).sentence.startswith(f"there are no runs in {tmp_path}; name ")


def test_nothing_runs(reft: Callable[..., Ended]) -> None:
    sentence = reft("watch").sentence
    assert sentence.startswith("no run is running in outputs or multirun")
    assert "reft watch " in sentence
