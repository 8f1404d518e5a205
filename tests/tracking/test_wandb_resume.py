"""One run is one W&B run with one curve, however often it is killed and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tracking.loopback_wandb import LoopbackWandb, serving
from tests.tracking.small_run import SAMPLES_EVERY
from tests.tracking.wandb_files import exit_code, history, rows_of, tables

STEPS = 120


@pytest.fixture
def server() -> Iterator[LoopbackWandb]:
    with serving(LoopbackWandb()) as listening:
        yield listening


class SmallRuns:
    """Sessions of one small run, each a process of its own."""

    def __init__(self, repo: Path, folder: Path, server: LoopbackWandb | None = None):
        self.path = folder / "run"
        self.said = ""
        plain = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
        self.environment = plain | {"PYTHONPATH": str(repo), "HOME": str(folder / "home")}
        if server is not None:
            self.environment |= {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": "0" * 40}
            self.environment |= {"WANDB__FILE_STREAM_TRANSMIT_INTERVAL": "0.1"}

    def start(self, mode: str, pause: float) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.tracking.small_run", str(self.path), mode, str(STEPS), str(pause)]
        process = subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        self.said = ""
        while not self.said.endswith("ready\n"):
            line = process.stdout.readline()
            assert line, "it ended before it began"
            self.said += line
        return process

    def kill(self, mode: str, when: Callable[[], bool]) -> None:
        """A session that is killed as soon as `when` says so."""
        with self.start(mode, pause=0.03) as process:
            while not when():
                assert process.poll() is None, "it ended before it was killed"
                time.sleep(0.001)
            process.kill()
        assert process.returncode == -signal.SIGKILL

    def finish(self, mode: str) -> str:
        """A session that goes on to the end, and what it said."""
        with self.start(mode, pause=0) as process:
            process.communicate(timeout=60)
        assert process.returncode == 0
        return self.said

    @property
    def recorded(self) -> int:
        """Lines of metrics.jsonl; the last one may be torn."""
        return (self.path / "metrics.jsonl").read_bytes().count(b"\n")

    @property
    def metrics(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.path / "metrics.jsonl").read_text().splitlines()]

    @property
    def samples(self) -> dict[int, list[dict[str, Any]]]:
        """What samples.jsonl holds by step, less the tokens."""
        found: dict[int, list[dict[str, Any]]] = {}
        for line in (self.path / "samples.jsonl").read_text().splitlines():
            record = json.loads(line)
            del record["tokens"]
            found.setdefault(record["step"], []).append(record)
        return found

    @property
    def identity(self) -> dict[str, Any]:
        return json.loads((self.path / "passport.json").read_text())["wandb"]

    def uploaded(self, server: LoopbackWandb) -> int:
        """Lines that the server has."""
        return len(server.history.get(self.identity["id"], []))


def test_killed_online_then_offline_then_synced_is_one_whole_curve(repo, tmp_path, server):
    """The network goes away for good; nothing but `wandb sync RUN/wandb` is needed in the end."""
    runs = SmallRuns(repo, tmp_path, server)
    runs.kill("online", lambda: runs.uploaded(server) > 30)
    identity = runs.identity
    runs.kill("offline", lambda: runs.recorded > 60)
    runs.finish("offline")
    assert runs.identity["id"] == identity["id"]
    (folder,) = (runs.path / "wandb").glob("*run-*")
    assert folder.name.startswith("offline-run-")
    assert folder.name.endswith(identity["id"])
    assert [record["step"] for record in runs.metrics] == list(range(1, STEPS + 1))
    assert history(folder) == runs.metrics
    assert filled(tables(folder)) == runs.samples
    assert list(runs.samples) == list(range(SAMPLES_EVERY, STEPS + 1, SAMPLES_EVERY))
    assert exit_code(folder) == 0
    (before,) = (runs.path / "wandb" / "superseded").iterdir()  # the last session's; the first one's is gone
    steps = [row["step"] for row in history(before)]
    assert steps == list(range(1, len(steps) + 1))

    sync = [sys.executable, "-m", "wandb", "sync", str(runs.path / "wandb")]
    subprocess.run(sync, env=runs.environment, capture_output=True, check=True, timeout=60)
    assert list(server.history) == [identity["id"]]
    assert [curve(row, "_step") for row in server.history[identity["id"]]] == [curve(r, "step") for r in runs.metrics]
    assert uploaded_tables(server, identity["id"]) == runs.samples
    assert sum(artifact["committed"] for artifact in server.artifacts.values()) >= len(runs.samples)
    staged = runs.path / "wandb" / "data" / "artifacts" / "staging"
    assert len(list(staged.iterdir())) <= 2 * len(runs.samples)  # nothing of earlier sessions


def test_killed_online_and_resumed_is_one_whole_curve_on_the_server(repo, tmp_path, server):
    runs = SmallRuns(repo, tmp_path, server)
    runs.kill("online", lambda: runs.uploaded(server) > 30)
    lines = server.history[runs.identity["id"]]
    del lines[10:]  # the server has heard less than the state knows
    runs.kill("online", lambda: len(lines) > 60)
    before = list(lines)
    (runs.path / "state.json").write_text(json.dumps({"step": 35, "seconds": 1.0}))  # and now more
    runs.finish("online")
    assert lines[: len(before)] == before
    assert [curve(row, "_step") for row in lines] == [curve(row, "step") for row in runs.metrics]
    assert [row["step"] for row in runs.metrics] == list(range(1, STEPS + 1))
    assert server.exit_codes == {runs.identity["id"]: 0}
    arrived = uploaded_tables(server, runs.identity["id"])
    assert all(runs.samples[step] == rows for step, rows in arrived.items())
    # What was on its way when the process was killed is lost; its step was there already.
    assert set(arrived) >= {step for step in runs.samples if step > len(before)}
    assert runs.identity == {"id": next(iter(server.history)), "project": "reft_lab", "entity": "someone"}


def test_a_server_that_refuses_the_run_and_then_takes_it(repo, tmp_path, server):
    runs = SmallRuns(repo, tmp_path, server)
    server.refuses_runs = True
    runs.kill("online", lambda: runs.recorded > 30)
    assert runs.said.count("; the run goes on offline.") == 1
    assert not server.history
    server.refuses_runs = False
    runs.finish("online")
    lines = server.history[runs.identity["id"]]
    assert [curve(row, "_step") for row in lines] == [curve(row, "step") for row in runs.metrics]
    assert not list((runs.path / "wandb").glob("offline-run-*"))


def curve(row: dict[str, Any], step: str) -> dict[str, float]:
    """What does not depend on the clock."""
    return {"step": row[step], "loss": row["loss"], "accuracy": row["eval/accuracy"]}


def filled(tables: dict[int, list[dict[str, Any]]]) -> dict[int, list[dict[str, Any]]]:
    """Tables without empty cells."""
    return {
        step: [{name: cell for name, cell in row.items() if cell is not None} for row in rows]
        for step, rows in tables.items()
    }


def uploaded_tables(server: LoopbackWandb, run: str) -> dict[int, list[dict[str, Any]]]:
    """The tables of samples that a server has, by step."""
    named = {row["_step"]: row["samples"]["path"] for row in server.history[run] if "samples" in row}
    there = {step: server.files[f"{run}/{path}"] for step, path in named.items() if f"{run}/{path}" in server.files}
    return filled({step: rows_of(json.loads(file)) for step, file in there.items()})


WITHOUT_SERVER = """
import sys, time
from contextlib import closing
from pathlib import Path
from reft_lab.config.schema import Config
from reft_lab.config.running import TrackerConfig
from reft_lab.tracking import wandb_run
from reft_lab.tracking.display import Display
from reft_lab.run_dir.directory import RunDirectory
from reft_lab.tracking.tracker import Tracker
wandb_run.FINISH_TIMEOUT = 2.0
with closing(RunDirectory(Path(sys.argv[1]))) as directory:
    tracker = Tracker(Config(tracker=TrackerConfig(wandb="online")), directory, Display())
    tracker.log(1, {"a": 1.0})
    print("ready", flush=True)
    sys.stdin.readline()
    tracker.log(2, {"a": 2.0})
    started = time.monotonic()
    tracker.finish({"status": "finished"}, 0)
    print("finished after", time.monotonic() - started)
    directory.write_result({"status": "finished"})
"""


def test_a_server_that_goes_away_does_not_hold_up_the_end(repo, tmp_path):
    with serving(LoopbackWandb()) as server:
        runs = SmallRuns(repo, tmp_path, server)
        command = [sys.executable, "-c", WITHOUT_SERVER, str(runs.path)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        process = subprocess.Popen(command, env=runs.environment, **pipes)
        assert process.stdout is not None
        assert "ready\n" in iter(process.stdout.readline, "")  # after its address
    said, _ = process.communicate("go on\n", timeout=60)
    assert process.returncode == 0
    assert float(said.split("finished after")[1]) < 15
    assert json.loads((runs.path / "result.json").read_text())["status"] == "finished"
