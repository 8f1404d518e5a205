"""The run directory under kills: the lock, and the way back to a step."""

from __future__ import annotations

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from reft_lab.errors import BadInput
from reft_lab.run_dir.directory import RunDirectory
from reft_lab.run_dir.passport import resumption
from tests.tracking.small_run import SAMPLES_EVERY


@pytest.fixture
def started(tmp_path) -> Path:
    """A run that was stopped after step 10."""
    path = tmp_path / "run"
    with closing(RunDirectory(path)) as directory:
        (path / "config.yaml").write_text("seed: 0\n")
        for step in range(1, 11):
            directory.append_metrics({"step": step, "loss": 1 / step})
            directory.append_samples([{"step": step, "question": "¿cuánto?", "n": n} for n in range(step % 3)])
        directory.write_predictions([{"id": "1"}])
        directory.write_result({"status": "interrupted"})
    return path


def steps(file: Path) -> list[int]:
    return [json.loads(line)["step"] for line in file.read_text().splitlines()]


def hold(repo: Path, path: Path) -> subprocess.Popen[str]:
    """A process that has `path` as its run directory."""
    script = "import sys, time; from pathlib import Path; from reft_lab.run_dir.directory import RunDirectory; "
    script += "held = RunDirectory(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], cwd=repo, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("resume", [False, True])
def test_a_directory_in_use_is_refused_and_free_once_its_process_is_killed(repo, tmp_path, resume):
    path = tmp_path / "run"
    with hold(repo, path) as process:
        if resume:
            (path / "config.yaml").write_text("seed: 0\n")
        with pytest.raises(BadInput, match=rf"in use by process {process.pid} on \S+; wait"):
            RunDirectory(path, resume=resume)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    RunDirectory(path, resume=resume).close()
    assert {file.name for file in path.iterdir()} - {"config.yaml"} == {"metrics.jsonl", "samples.jsonl"}


def test_a_directory_in_use_by_the_same_process_is_refused(tmp_path):
    with closing(RunDirectory(tmp_path / "run")), pytest.raises(BadInput, match=f"in use by process {os.getpid()}"):
        RunDirectory(tmp_path / "run")
    RunDirectory(tmp_path / "run").close()


def test_children_do_not_inherit_the_lock(tmp_path):
    with closing(RunDirectory(tmp_path / "run")):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
    try:
        RunDirectory(tmp_path / "run").close()
    finally:
        child.kill()
        child.wait()


def test_what_holds_a_run_and_what_does_not(started, tmp_path):
    with pytest.raises(BadInput, match="already holds a run"):
        RunDirectory(started)
    with pytest.raises(BadInput, match="holds no run to go on with"):
        RunDirectory(tmp_path / "empty", resume=True)
    assert not (tmp_path / "empty").exists()


@pytest.mark.parametrize("step", [0, 1, 6, 10, 99])
def test_rewinding_keeps_the_lines_up_to_a_step(started, step):
    before = {name: (started / name).read_text() for name in ("metrics.jsonl", "samples.jsonl")}
    with closing(RunDirectory(started, resume=True)) as directory:
        assert directory.rewind(step) == []
        assert not (started / "result.json").exists()
        assert not (started / "predictions.jsonl").exists()
        for name, text in before.items():
            kept = (started / name).read_text()
            assert text.startswith(kept)
            assert [s for s in steps(started / name) if s <= step] == steps(started / name)
        assert steps(started / "metrics.jsonl") == list(range(1, min(step, 10) + 1))
        directory.append_metrics({"step": 100})
    assert steps(started / "metrics.jsonl")[-1] == 100
    assert not list(started.glob(".*"))


def test_rewinding_drops_damaged_lines_and_says_so(started):
    file = started / "metrics.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    lines[3:3] = [b'{"step": 4, "lo\n', b"\x00\x00\n", b"[1]\n", b'{"step": true}\n', b"\xff\n"]
    file.write_bytes(b"".join(lines) + b'{"step": 9, "torn": 1}')
    with closing(RunDirectory(started, resume=True)) as directory:
        assert directory.rewind(9) == ["metrics.jsonl had 5 damaged lines, which are left out."]
    assert steps(file) == list(range(1, 10))


def test_a_process_killed_at_random_moments_leaves_a_directory_that_goes_on(repo, tmp_path):
    """Six sessions in one directory, killed without warning while they write, rewind or begin."""
    path, dice = tmp_path / "run", random.Random(0)
    command = [sys.executable, "-m", "tests.tracking.small_run", str(path), "disabled"]
    environment = os.environ | {"PYTHONPATH": str(repo)}
    for _ in range(6):
        with subprocess.Popen([*command, "100000", "0"], env=environment, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(dice.uniform(0, 0.05))
            process.kill()
    kept = json.loads((path / "state.json").read_text())["step"]
    subprocess.run([*command, str(kept + 50), "0"], env=environment, check=True, timeout=60, capture_output=True)
    assert steps(path / "metrics.jsonl") == list(range(1, kept + 51))
    sampled = [step for step in range(1, kept + 51) if step % SAMPLES_EVERY == 0]
    assert steps(path / "samples.jsonl") == sorted(2 * sampled)
    assert json.loads((path / "result.json").read_text())["status"] == "finished"
    assert not list(path.glob(".*"))


def test_the_passport_lists_resumptions(started):
    with closing(RunDirectory(started, resume=True)) as directory:
        directory.write_passport({"seed": 3, "versions": {"reft_lab": "0.0.0", "python": "2.7.0"}})
        for step in (5, 7):
            directory.add_resumption(resumption(directory.passport(), step, {"ppo.iterations": "10 -> 20"}))
        passport = directory.passport()
    assert passport["seed"] == 3
    assert [entry["step"] for entry in passport["resumed"]] == [5, 7]
    entry = passport["resumed"][0]
    assert entry["changed"] == {"ppo.iterations": "10 -> 20"}
    assert entry["versions"]["python"].startswith("3.")
    assert shlex.split(entry["command"])[1:] == sys.argv


def test_only_versions_that_changed_are_in_a_resumption():
    now = resumption({}, 0, {})["versions"]
    assert resumption({"versions": now}, 0, {})["versions"] == {}
    assert resumption({"versions": now | {"torch": "1.0"}}, 0, {})["versions"] == {"torch": now["torch"]}
