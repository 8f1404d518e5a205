"""What W&B is told of a run beside its curve, online and by `wandb sync`, and where its files are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tracking.loopback_wandb import LoopbackWandb, serving
from tests.tracking.wandb_files import artifacts, exit_code, metrics, run_record, system_metrics, tables

SCRIPT = """
import sys, time
from contextlib import closing
from pathlib import Path
from reft_lab.config.schema import Config
from reft_lab.config.sweeps import StudyConfig
from reft_lab.config.running import TrackerConfig
from reft_lab.tracking.display import Display
from reft_lab.run_dir.directory import RunDirectory
from reft_lab.tracking.tracker import Tracker
path, mode, status = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
tracker = TrackerConfig(wandb=mode, group="kl", tags=["mine", "x" * 80], connect_timeout=5)
config = Config(name="small", tracker=tracker, study=StudyConfig(name="kl", confirms="first"))
config.ppo.kl_coef = 0.07
with closing(RunDirectory(path)) as directory:
    best = directory.checkpoints / "best"
    best.mkdir(parents=True)
    (best / "model.safetensors").write_bytes(b"weights" * 100_000)
    (best / "config.json").write_text("{}")
    directory.write_config(config)
    directory.write_passport({"fork": {"run": "/runs/first", "changed": {"ppo.kl_coef": "0.01 -> 0.07"}}})
    tracker = Tracker(config, directory, Display())
    for step, (accuracy, length) in enumerate(((0.2, 9.0), (0.6, 8.0), (0.4, 7.0)), start=1):
        sample = {"question": f"q{step}", "response": "r", "answer": None, "gold": "4", "outcome": "no_answer"}
        record = {"eval/accuracy": accuracy, "rollout/length": length}
        tracker.log(step, record, [sample | {"reward": 0.1, "tokens": {"text": ["r"]}}])
        time.sleep(0.4)
    summary = {"status": status, "result/final/dev_accuracy": 0.6}
    tracker.finish(summary, int(status == "failed"), best if status == "finished" else None)
"""
TAGS = {
    "study:kl",
    "stage:warmup",
    "stage:reft",
    "model:tiny",
    "data:arithmetic",
    "cot:program",
    "reward:partial",
    "confirms",
    "mine",
}


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackWandb]:
    with serving(LoopbackWandb()) as listening:
        yield listening


class Recorded:
    """A run that recorded three steps."""

    def __init__(self, repo: Path, folder: Path, server: LoopbackWandb, mode: str, status: str = "finished"):
        self.path, self.home, self.server = folder / "run", folder / "home", server
        self.home.mkdir()
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB", "XDG"))}
        self.environment = plain | {"PYTHONPATH": str(repo), "HOME": str(self.home), "WANDB_BASE_URL": server.url}
        self.environment |= {"WANDB_API_KEY": "0" * 40, "WANDB__STATS_SAMPLING_INTERVAL": "0.2"}
        command = [sys.executable, "-c", SCRIPT, str(self.path), mode, status]
        ended = subprocess.run(
            command, env=self.environment, check=True, timeout=120, cwd=folder, stdout=subprocess.PIPE, text=True
        )
        self.said = ended.stdout.splitlines()
        self.id = json.loads((self.path / "passport.json").read_text())["wandb"]["id"]
        (self.folder,) = (self.path / "wandb").glob("*run-*")

    def sync(self) -> None:
        """The one documented command, which may use the home folder."""
        sync = [sys.executable, "-m", "wandb", "sync", str(self.path / "wandb")]
        environment = self.environment | {"HOME": str(self.path.parent / "home-of-sync")}
        subprocess.run(sync, env=environment, capture_output=True, check=True, timeout=60)

    def has_arrived(self) -> None:
        """The server knows all there is to know."""
        told = self.server.runs[self.id]
        assert (told["groupName"], told["jobType"], told["displayName"]) == ("kl", "reft", "small")
        check_tags(told["tags"])
        config = {name: entry["value"] for name, entry in json.loads(told["config"]).items()}
        assert (config["ppo"]["kl_coef"], config["study"]["confirms"]) == (0.07, "first")
        assert config["lineage"] == {"run": "/runs/first", "changed": {"ppo.kl_coef": "0.01 -> 0.07"}}
        assert [row["step"] for row in self.server.history[self.id]] == [1, 2, 3]
        for step, row in enumerate(self.server.history[self.id], start=1):
            rows = json.loads(self.server.files[f"{self.id}/{row['samples']['path']}"])
            assert rows["columns"] == ["step", "question", "response", "answer", "gold", "outcome", "reward"]
            assert rows["data"] == [[step, f"q{step}", "r", None, "4", "no_answer", 0.1]]
        summary = self.server.summaries[self.id]
        assert summary["eval/accuracy"] == {"max": 0.6, "last": 0.4}
        assert summary["rollout/length"] == 7
        assert (summary["status"], summary["result/final/dev_accuracy"]) == ("finished", 0.6)
        assert self.server.exit_codes[self.id] == 0
        assert any("system.cpu" in line for line in self.server.events[self.id])

    def checkpoint(self) -> bytes:
        """The weights that the server got."""
        (found,) = [
            name
            for name, made in self.server.artifacts.items()
            if made["artifactCollectionName"] == f"checkpoint-{self.id}" and made["committed"]
        ]
        assert self.server.artifacts[found]["artifactTypeName"] == "model"
        assert f"artifacts/{found}/config.json" in self.server.files
        return self.server.files[f"artifacts/{found}/model.safetensors"]


def check_tags(tags: Any) -> None:
    assert set(tags) > TAGS
    (cut,) = set(tags) - TAGS
    assert len(cut) == 64
    assert cut.startswith("x" * 50)


def test_a_run_online(repo, tmp_path, server):
    run = Recorded(repo, tmp_path, server, "online")
    run.has_arrived()
    assert run.said == [f"W&B: {server.url}/someone/reft_lab/runs/{run.id}"]
    assert run.checkpoint() == b"weights" * 100_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "run"]
    assert not list(run.home.iterdir())


def test_a_run_offline_and_synced(repo, tmp_path, server):
    run = Recorded(repo, tmp_path, server, "offline")
    assert not list(run.home.iterdir())
    assert run.said == ["W&B: offline; to upload it: wandb sync run/wandb"]
    record = run_record(run.folder)
    assert (record.run_group, record.job_type, record.display_name) == ("kl", "reft", "small")
    check_tags(record.tags)
    defined = metrics(run.folder)
    assert defined["*"].step_metric == "step"
    assert defined["eval/accuracy"].step_metric == "step"
    assert (defined["eval/accuracy"].summary.max, defined["rollout/reward"].summary.max) == (True, True)
    assert sorted(tables(run.folder)) == [1, 2, 3]
    assert exit_code(run.folder) == 0
    assert any(name.startswith("cpu") or "memory" in name for name in system_metrics(run.folder))
    assert [made.type for made in artifacts(run.folder)] == ["run_table"] * 3 + ["model"]
    inside = sum(file.stat().st_size for file in (run.path / "wandb").rglob("*") if file.is_file())
    assert inside < 500_000  # the checkpoint, of 700,000 bytes, is not copied
    run.sync()
    run.has_arrived()
    assert run.checkpoint() == b"weights" * 100_000


@pytest.mark.parametrize("status", ["pruned", "failed"])
def test_how_a_run_ended_can_be_told(repo, tmp_path, server, status):
    run = Recorded(repo, tmp_path, server, "offline", status)
    assert ("pruned" in run_record(run.folder).tags) == (status == "pruned")
    assert exit_code(run.folder) == int(status == "failed")
    assert all(made.type == "run_table" for made in artifacts(run.folder))  # a checkpoint only of what finished
