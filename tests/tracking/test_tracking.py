"""Run directory, tracker, display and passport."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

from reft_lab.config.running import TrackerConfig
from reft_lab.config.schema import Config
from reft_lab.data.problem import Problem
from reft_lab.errors import BadInput
from reft_lab.run_dir.directory import RunDirectory
from reft_lab.run_dir.passport import hash_problems, passport
from reft_lab.tracking.display import Display, Silence
from reft_lab.tracking.tracker import Tracker


@pytest.fixture
def offline() -> Config:
    return Config(tracker=TrackerConfig(wandb="disabled"))


def test_the_step_axis_never_goes_backwards(tmp_path, offline):
    with closing(RunDirectory(tmp_path / "run")) as directory:
        tracker = Tracker(offline, directory, Silence())
        tracker.log(1, {"a": 1.0})
        tracker.log(3, {"a": 2.0, "b": float("nan")})
        for step in (3, 2):
            with pytest.raises(ValueError, match="never goes backwards"):
                tracker.log(step, {"a": 0.0})
        tracker.finish({}, exit_code=0)
    records = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [(r["step"], r["a"]) for r in records] == [(1, 1.0), (3, 2.0)]
    assert "b" not in records[1]  # NaN is not JSON


def test_a_tracker_goes_on_at_a_step_and_a_time(tmp_path, offline):
    with closing(RunDirectory(tmp_path / "run")) as directory:
        tracker = Tracker(offline, directory, Silence(), step=7, seconds=100.0)
        with pytest.raises(ValueError, match="step 7 after step 7"):
            tracker.log(7, {"a": 0.0})
        tracker.log(8, {"a": 0.0})
        assert 100 <= tracker.elapsed < 130
    (record,) = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert 100 <= record["seconds"] < 130


def test_a_folder_that_cannot_be_written_to_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"cannot be written to .*hydra\.run\.dir=DIR"):
        RunDirectory(tmp_path / "file" / "run")


def test_files_are_replaced_whole(tmp_path):
    with closing(RunDirectory(tmp_path / "run")) as directory:
        directory.write_result({"status": "finished"})
        directory.write_result({"status": "failed"})
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == {"status": "failed"}
    assert not list((tmp_path / "run").glob(".*part"))


def test_plain_lines_without_a_terminal_and_a_bar_on_one():
    plain, terminal = io.StringIO(), io.StringIO()
    for stream, forced in ((plain, False), (terminal, True)):
        with Display(Console(file=stream, force_terminal=forced, width=120)).stage("reft", 3, "iterations") as bar:
            for done in (1, 2, 3):
                bar.update(done, reward=0.25, kl=1.0)
    assert plain.getvalue().startswith("reft: 3/3 iterations")
    assert plain.getvalue().count("\n") == 1
    assert "reward 0.25" in plain.getvalue()
    assert "━" in terminal.getvalue()
    assert "reward 0.25" in terminal.getvalue()
    assert "/s" in terminal.getvalue()


def test_a_resumed_bar_starts_where_the_run_stands_and_shows_the_speed_of_this_session(monkeypatch):
    now = iter(range(1000))
    monkeypatch.setattr("reft_lab.tracking.display.time.monotonic", lambda: float(next(now)))
    plain, terminal = io.StringIO(), io.StringIO()
    with Display(Console(file=plain, force_terminal=False, width=120)).stage("reft", 60, "iterations", done=50) as bar:
        bar.update(60)
    assert "reft: 60/60 iterations, 1 s, 10/s" in plain.getvalue()
    with Display(Console(file=terminal, force_terminal=True, width=120)).stage("reft", 60, "iterations", done=50):
        pass
    assert "50/60" in terminal.getvalue()


def test_data_hash_sees_every_field_and_the_order():
    a, b = Problem("1", "q", "2", "c", "s"), Problem("2", "r", "3", None, "s")
    hashes = {
        hash_problems([a, b], []),
        hash_problems([b, a], []),
        hash_problems([a], [b]),
        hash_problems([a, Problem("2", "r", "4", None, "s")], []),
        hash_problems([a, Problem("2", "r", "3", "c", "s")], []),
    }
    assert len(hashes) == 5
    assert hash_problems([a, b], []) == hash_problems([Problem("9", "q", "2", "c", "t"), b], [])


def test_passport_is_json_and_names_the_commit():
    card = passport(seed=3, device="cpu", precision="fp32", data_hash="d", tokenizer_hash="t")
    assert json.loads(json.dumps(card)) == card
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True)
    if commit.returncode == 0:
        assert card["git"]["commit"] == commit.stdout.strip()


SCRIPT = """
import sys, time
from pathlib import Path
from reft_lab.config.schema import Config
from reft_lab.config.running import TrackerConfig
from reft_lab.tracking.display import Display
from reft_lab.run_dir.directory import RunDirectory
from reft_lab.tracking.tracker import Tracker
config = Config(tracker=TrackerConfig(wandb=sys.argv[2], connect_timeout=2))
started = time.monotonic()
directory = RunDirectory(Path(sys.argv[1]))
tracker = Tracker(config, directory, Display())
print("ready after", time.monotonic() - started)
tracker.log(1, {"a": 1.0})
tracker.finish({"status": "finished"}, 0)
directory.close()
"""


def track(repo: Path, folder: Path, mode: str, **environment: str) -> str:
    """What a process that tracks a run in `folder`/run says, once it has ended well."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder / "run"), mode],
        capture_output=True,
        text=True,
        env=plain | {"PYTHONPATH": str(repo), "HOME": str(folder / "home"), **environment},
        timeout=120,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    assert list((folder / "run" / "wandb").glob("offline-run-*"))
    return done.stdout


@pytest.mark.parametrize("mode", ["auto", "online"])
def test_a_wandb_server_that_does_not_answer_costs_seconds_and_one_sentence(repo, tmp_path, mode):
    """A listening socket that never answers: the run goes on offline, in its own directory."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        said = track(repo, tmp_path, mode, WANDB_BASE_URL=url, WANDB_API_KEY="0" * 40)
    assert said.count("cannot be reached") == 1
    assert float(said.split("ready after")[1].split()[0]) < 20
    assert {p.name for p in tmp_path.iterdir()} <= {"run", "home"}


def test_offline_nothing_is_asked_of_the_server(repo, tmp_path):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.setblocking(False)
        track(repo, tmp_path, "offline", WANDB_BASE_URL=f"http://127.0.0.1:{listening.getsockname()[1]}")
        with pytest.raises(BlockingIOError):
            listening.accept()


def test_without_a_login_wandb_is_offline_and_never_asks(repo, tmp_path):
    (tmp_path / "auto").mkdir()
    (tmp_path / "online").mkdir()
    (told,) = [line for line in track(repo, tmp_path / "auto", "auto").splitlines() if "W&B" in line]
    assert told == "W&B: offline; to upload it: wandb sync run/wandb"
    assert track(repo, tmp_path / "online", "online").count("not logged in") == 1
