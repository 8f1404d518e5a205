"""resume=auto: which run goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reft_lab.command.resume import Resumption
from reft_lab.command.unfinished import run_places, unfinished
from reft_lab.compose.conf import Conf, register_schema
from reft_lab.errors import BadInput
from tests.command.begun import begun


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register_schema()
    monkeypatch.chdir(tmp_path)


def found_by(*words: str) -> Path | str | None:
    found = unfinished(Conf().compose(words))
    return found.directory if isinstance(found, Resumption) else found


def aged(directory: Path, seconds: float) -> Path:
    then = time.time() - seconds
    os.utime(directory / "config.yaml", (then, then))
    return directory


def test_auto_takes_the_newest_unfinished_run_of_the_same_experiment() -> None:
    assert found_by() is None
    older = aged(begun("outputs/2026-01-02/a"), 50)
    newer = aged(begun("outputs/2026-01-01/z", status="failed"), 40)
    aged(begun("outputs/2026-01-03/b", status="finished"), 30)
    other = aged(begun("outputs/2026-01-03/c", "ppo.kl_coef=0.05"), 20)
    seed = aged(begun("multirun/2026-01-03/study/1", "seed=1"), 10)
    (Path("outputs/2026-01-03/d/.hydra")).mkdir(parents=True)
    (begun("outputs/2026-01-03/e") / "config.yaml").write_text("name: tiny-arithmetic-program-reft\nseed: 0\nppo: [")
    assert found_by() == newer
    assert found_by("ppo.kl_coef=0.05") == other
    assert found_by("seed=1") == seed
    assert found_by("seed=2") is None
    shutil.rmtree(newer)
    assert found_by() == older


def test_auto_goes_on_as_the_command_line_says() -> None:
    begun("outputs/day/run", "ppo.iterations=200", "tracker=none")
    found = unfinished(Conf().compose(["tracker.samples=3"]))
    assert isinstance(found, Resumption)
    assert found.config.ppo.iterations == 60
    assert found.changes == [
        "ppo.iterations: 200 -> 60",
        "tracker.wandb: disabled -> auto",
        "tracker.samples: 8 -> 3",
    ]


def test_auto_knows_the_same_data_from_two_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "data").mkdir()
    begun("outputs/day/run", "data=svamp", "data.path=data")
    monkeypatch.chdir("a")
    assert found_by("data=svamp", "data.path=../data", f"hydra.run.dir={tmp_path}/outputs/${{name}}/${{seed}}") is None
    monkeypatch.chdir(tmp_path)
    assert found_by("data=svamp", f"data.path={tmp_path}/data") == Path("outputs/day/run")


def test_auto_looks_where_runs_go() -> None:
    here = begun("elsewhere/tiny")
    assert found_by() is None
    assert found_by("hydra.run.dir=elsewhere/${name}") == here
    assert found_by("hydra.run.dir=elsewhere/${name}/${seed}") is None
    assert run_places(Conf().compose([])) == [(Path("outputs"), 2), (Path("multirun"), 3)]


def test_auto_with_one_named_folder() -> None:
    """A job that is queued again until it is done: the same command each time."""
    words = ["hydra.run.dir=mine"]
    assert found_by(*words) is None
    directory = begun("mine", *words)
    assert found_by(*words) == directory
    shutil.rmtree(directory)
    begun("mine", *words, status="finished")
    assert isinstance(found_by(*words), str)
    with pytest.raises(BadInput, match="seed: 0 -> 1"):
        found_by(*words, "seed=1")


HOLD = """
import sys, time
from pathlib import Path
from reft_lab.run_dir.lock import RunLock
held = RunLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_auto_leaves_a_run_alone_that_another_process_holds(repo: Path) -> None:
    directory = begun("outputs/day/run")
    command = [sys.executable, "-c", HOLD, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(repo)}) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            assert found_by() is None
        finally:
            holder.kill()
    assert found_by() == directory


def test_auto_is_quick_among_ten_thousand_finished_runs() -> None:
    model = begun("model", status="finished")
    config, result = (model / "config.yaml").read_bytes(), (model / "result.json").read_bytes()
    for number in range(10_000):
        folder = Path(f"outputs/{number // 100}/{number}")
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_bytes(config)
        (folder / "result.json").write_bytes(result)
    directory = aged(begun("outputs/old/run"), 1e6)
    composed = Conf().compose([])
    started = time.process_time()
    found = unfinished(composed)
    assert time.process_time() - started < 1.5
    assert isinstance(found, Resumption)
    assert found.directory == directory
