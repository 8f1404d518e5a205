"""progress.json: how far a run is, and how long the rest takes."""

from __future__ import annotations

import io
import json
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from reft_lab.run_dir.directory import RunDirectory
from reft_lab.run_dir.progress import Doing, ProgressFile, read_doing
from reft_lab.tracking.display import Display, Silence


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("reft_lab.run_dir.progress.time.monotonic", clock)
    return clock


def doing_in(folder: Path) -> Doing:
    found = read_doing(folder)
    assert found is not None
    return found


def test_the_rest_takes_as_long_as_the_steps_of_this_session_did(tmp_path: Path, clock: Clock) -> None:
    bar = ProgressFile(tmp_path).begin("ReFT", 60, "iterations", done=20)
    begun = doing_in(tmp_path)
    assert (begun.done, begun.total, begun.share, begun.left, begun.pace) == (20, 60, 20 / 60, None, None)
    assert str(begun) == "ReFT 20/60 iterations, 33 %"
    clock.now += 50
    bar.update(30, reward=0.5)
    half = doing_in(tmp_path)
    assert (half.done, half.pace, half.left, half.numbers) == (30, 5.0, 150.0, {"reward": 0.5})
    assert str(half) == "ReFT 30/60 iterations, 50 %, 2 min 30 s left"
    clock.now += 0.5
    bar.update(31)
    assert doing_in(tmp_path).done == 30, "not more than a note a second"
    bar.update(60)
    assert (doing_in(tmp_path).share, doing_in(tmp_path).left) == (1.0, 0.0)


def test_a_budget_that_is_nearer_than_the_last_step_counts(tmp_path: Path, clock: Clock) -> None:
    used = iter([0.2, 0.2, 0.4])  # at the beginning of the stage, in its first note, and after ten steps
    bar = ProgressFile(tmp_path).begin("ReFT", 1000, "iterations", spent=lambda: next(used))
    clock.now += 30
    bar.update(10)
    found = doing_in(tmp_path)
    assert found.share == pytest.approx(0.2 / 0.8)
    assert found.left == pytest.approx(90)  # 0.6 are left, at 0.2 in 30 s


def test_time_passes_but_a_late_step_makes_no_promises(tmp_path: Path, clock: Clock) -> None:
    bar = ProgressFile(tmp_path).begin("ReFT", 10, "iterations")
    clock.now += 60
    bar.update(2)
    found = doing_in(tmp_path)
    assert found.left == 240
    assert found.at(found.time + timedelta(seconds=10)).left == 230
    assert found.at(found.time + timedelta(hours=5)).left == 210
    assert found.silence(found.time + timedelta(seconds=100)) is None
    assert found.silence(found.time + timedelta(seconds=200)) == 200


@pytest.mark.parametrize("text", ["", "{", "[]", '{"title": "x"}', '{"title": 1, "numbers": 3}'])
def test_what_is_no_note_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "progress.json").write_text(text)
    assert read_doing(tmp_path) is None


def test_it_is_there_while_a_process_works_and_a_session_begins_without_that_of_a_killed_one(tmp_path: Path) -> None:
    display, run = Silence(), tmp_path / "run"
    with closing(RunDirectory(run)) as directory, display.kept_in(directory.log, directory.progress):
        (run / "config.yaml").write_text("{}\n")
        with display.stage("warm-up", 4, "steps") as bar:
            bar.update(2, loss=1.5)
            assert set(json.loads((run / "progress.json").read_text())) == {
                *("title", "unit", "done", "total", "share", "left", "pace", "numbers", "time")
            }
    assert {file.name for file in run.iterdir()} == {"config.yaml", "log.txt", "metrics.jsonl", "samples.jsonl"}
    (run / "progress.json").write_text('{"title": "of a killed session"}')
    with closing(RunDirectory(run, resume=True)):
        assert not (run / "progress.json").exists()


def test_a_place_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    bar = ProgressFile(tmp_path / "gone").begin("ReFT", 2, "iterations")
    bar.update(2)


def test_a_process_beside_the_run_has_a_bar_of_its_own(tmp_path: Path) -> None:
    shown = io.StringIO()
    display = Display(Console(file=shown, force_terminal=True, width=80))
    other = ProgressFile(tmp_path).begin("SFT", 400, "steps")
    other.update(400, loss=0.25)
    display.beside = lambda: read_doing(tmp_path)
    with display.stage("ReFT", 60, "iterations") as bar:
        bar.update(12)
    assert "12/60" in shown.getvalue()
    assert "400/400" in shown.getvalue()
    assert "loss 0.25" in shown.getvalue()
