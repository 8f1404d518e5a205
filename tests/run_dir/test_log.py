"""log.txt of real runs: one that ends well, one that fails, one that is stopped and goes on."""

from __future__ import annotations

import re
import signal
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from reft_lab.errors import RunFailed
from reft_lab.run_dir.directory import RunDirectory
from reft_lab.tracking.display import Display, Silence
from tests.runner.processes import Run

SMALL = ("debug=quick", "tracker=none", "warmup.epochs=1")
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ  "


def entries(file: Path) -> list[str]:
    """What was said, without the times: the lines of an entry are joined as they stood."""
    said: list[str] = []
    for line in file.read_text().splitlines():
        timed = re.match(TIME, line)
        if timed:
            said.append(line[timed.end() :])
        else:
            said[-1] += "\n" + line.removeprefix(" " * 22)
    return said


def test_a_finished_run_and_its_baseline_keep_what_they_said(repo: Path, tmp_path: Path) -> None:
    run = Run(repo, tmp_path, *SMALL, "baseline=sft", "ppo.iterations=2")
    session = run.finish()
    first, *said = entries(run.path / "log.txt")
    assert re.search(rf"run\.py .*debug=quick.* \(process {session.pid} on {re.escape(run.host)}\)$", first)
    printed = session.output.splitlines()
    lines = [line.rstrip() for entry in said for line in entry.splitlines()]
    assert [line.rstrip() for line in printed if line.strip()] == [line for line in lines if line]
    assert any(entry.startswith("warm-up: ") for entry in said)
    assert any("greedy accuracy" in entry and "after ReFT" in entry for entry in said)
    beside = entries(run.path / "baseline_sft" / "log.txt")
    assert any(re.match(r"SFT: (\d+)/\1 ", entry) for entry in beside)


def test_a_run_that_fails_keeps_its_traceback(repo: Path, tmp_path: Path) -> None:
    reward = (
        "def mine(outcome, step):\n"
        "    if step == 1:\n"
        "        raise ZeroDivisionError('the reward is undefined')\n"
        "    return 0.0\n"
    )
    (tmp_path / "rewards_of_mine.py").write_text(reward)
    run = Run(repo, tmp_path, *SMALL, "baseline=null", "reward=rewards_of_mine.mine")
    session = run.start()
    assert session.wait() == 1
    assert run.result["status"] == "failed"
    (traceback,) = [said for said in entries(run.path / "log.txt") if said.startswith("Traceback")]
    assert traceback.startswith("Traceback (most recent call last):\n")
    assert "rewards_of_mine.py" in traceback
    assert "ZeroDivisionError: the reward is undefined" in traceback


def test_a_run_that_is_stopped_and_goes_on_has_one_log(repo: Path, tmp_path: Path) -> None:
    run = Run(repo, tmp_path, *SMALL, "baseline=null", "ppo.iterations=200")
    session = run.start()
    session.until(lambda: run.step > 4)
    session.send(signal.SIGTERM, whole_group=False)
    assert session.wait() == 143
    before = (run.path / "log.txt").read_text()
    assert any(entry.startswith("interrupted; go on with: ") for entry in entries(run.path / "log.txt"))
    session = run.start("ppo.iterations=210")
    session.until(lambda: "going on with" in session.output)
    session.kill()  # what was said up to here is there
    text = (run.path / "log.txt").read_text()
    assert text.startswith(before)
    begun, *more = entries(run.path / "log.txt")[len(re.findall(TIME, before)) :]
    assert f"(process {session.pid} on " in begun
    assert any(entry.startswith(f"going on with {run.path} after step ") for entry in more)


def fail(display: Display, directory: RunDirectory) -> None:
    """What a run shows on a terminal before it fails for a reason that can be explained."""
    with display.kept_in(directory.log):
        with display.stage("reft", 3, "iterations") as bar:
            for done in (1, 2, 3):
                bar.update(done, reward=0.25)
        display.note("[bold]a note[/bold]")
        try:
            raise OSError("no such disk")
        except OSError as error:
            raise RunFailed("the disk is gone; mount it.") from error


def test_a_bar_leaves_its_lines_and_an_explained_error_its_cause(tmp_path: Path) -> None:
    shown = StringIO()
    display = Display(Console(file=shown, force_terminal=True, width=100))
    with closing(RunDirectory(tmp_path / "run")) as directory, pytest.raises(RunFailed):
        fail(display, directory)
    _, progress, note, traceback, sentence = entries(tmp_path / "run" / "log.txt")
    assert progress.startswith("reft: 3/3 iterations, ")
    assert progress.endswith("reward 0.25")
    assert note == "[bold]a note[/bold]"
    assert traceback.startswith("Traceback")
    assert traceback.endswith("OSError: no such disk")
    assert sentence == "error: the disk is gone; mount it."
    assert "━" in shown.getvalue()


def test_a_log_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    with closing(RunDirectory(tmp_path / "run")) as directory:
        (tmp_path / "run" / "log.txt").mkdir()
        display = Silence()
        with display.kept_in(directory.log), display.stage("reft", 1, "iterations") as bar:
            display.note("said")
            bar.update(1)
        directory.write_result({"status": "finished"})
    assert (tmp_path / "run" / "result.json").exists()
