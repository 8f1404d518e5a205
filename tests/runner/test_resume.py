"""Small runs that were stopped, damaged or made longer: what comes of them when they go on."""

from __future__ import annotations

import json
import random
import shutil
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from reft_lab.command.resume import Resumption, continued
from reft_lab.runner import resume
from reft_lab.tracking.display import Display
from tests.runner.leftovers import assert_same, result_of
from tests.runner.processes import Run
from tests.runner.small_runs import finish

SMALL = (
    "tracker=none",
    "tracker.report=false",
    "data.train_size=96",
    "data.dev_size=16",
    "data.test_size=16",
    "warmup.epochs=2",
    "sft.epochs=4",
    "ppo.iterations=4",
    "ppo.rollouts=16",
    "ppo.mini_batch=8",
    "ppo.max_new_tokens=32",
    "ppo.eval_every=2",
    "checkpoint.every=3",
)
ALONE = (*SMALL, "baseline=null", "eval.both_rules=true")
REFT = 12  # steps of the warm-up


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped."""
    return finish(tmp_path_factory.mktemp("whole") / "run", *ALONE)


@pytest.fixture(scope="module")
def stopped(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed in ReFT, with a state before and a state after the end of its warm-up."""
    killed = Run(repo, tmp_path_factory.mktemp("stopped"), *ALONE, "checkpoint.keep=3")
    session = killed.start()
    states = [killed.path / "checkpoints" / name for name in (f"step-{REFT}", "last")]
    session.until(lambda: all(state.exists() for state in states))
    session.kill()
    return killed.path


def go_on(directory: Path, *words: str) -> list[str]:
    """Resume the run in `directory`; the lines that it printed."""
    found = continued(directory, words)
    assert isinstance(found, Resumption)
    said = StringIO()
    resume(found.config, directory, found.changes, Display(Console(file=said, soft_wrap=True)))
    return said.getvalue().splitlines()


def copied(directory: Path, target: Path) -> Path:
    shutil.copytree(directory, target)
    return target


@pytest.mark.parametrize(("overrides", "steps"), [((), 16), (("method=sft", "baseline=null"), 24)], ids=["reft", "sft"])
def test_a_run_that_is_killed_again_and_again(
    repo: Path, tmp_path: Path, overrides: tuple[str, ...], steps: int
) -> None:
    """With the baseline beside it, which is killed as well, and with method=sft."""
    whole = tmp_path / "whole" / "run"
    finish(whole, *SMALL, *overrides)
    killed, dice, last = Run(repo, tmp_path / "killed", *SMALL, *overrides), random.Random(), []
    for step in sorted(dice.sample(range(1, steps), 2)):
        session = killed.start()
        session.until(lambda step=step: killed.step >= step)
        session.pause(dice.uniform(0, 0.3))
        session.kill()
        last.append(killed.step)
    killed.finish()
    print(f"killed after {last}")
    assert_same(whole, killed.path)
    assert [record["step"] for record in killed.metrics] == list(range(1, steps + 1))


def test_a_stopped_run_ends_like_one_that_was_not(whole: Path, stopped: Path, tmp_path: Path) -> None:
    directory = copied(stopped, tmp_path / "run")
    said = go_on(directory)
    assert not any("cannot be used" in line for line in said)
    assert_same(whole, directory)
    assert not list(directory.glob("checkpoints/.*"))


@pytest.mark.parametrize(
    ("damaged", "how", "said"),
    [
        (["last/state.safetensors"], "cut", "last cannot be used: state.safetensors "),
        (["last/manifest.json"], "flip", "last cannot be used: "),
        (["warmup/model.safetensors"], "flip", "last cannot be used: it needs "),
        (["last/state.json", f"step-{REFT}/state.json"], "cut", f"step-{REFT} cannot be used: state.json "),
        (["best/model.safetensors"], "flip", None),
        (["last/best/model.safetensors"], "cut", None),
    ],
)
def test_after_damage_the_run_ends_the_same(
    whole: Path, stopped: Path, tmp_path: Path, damaged: list[str], how: str, said: str | None
) -> None:
    directory = copied(stopped, tmp_path / "run")
    for name in damaged:
        damage(directory / "checkpoints" / name, how)
    lines = go_on(directory)
    notes = [line for line in lines if "cannot be used" in line]
    if said is None:
        assert notes == []
    else:
        assert any(said in note for note in notes)
        assert len(notes) == max(1, len(damaged))
    assert_same(whole, directory)


def damage(file: Path, how: str) -> None:
    content = bytearray(file.read_bytes())
    if how == "cut":
        del content[len(content) // 3 :]
    else:
        content[len(content) // 3] ^= 0x10
    file.write_bytes(content)


def test_without_any_state_the_run_starts_over_and_says_so(whole: Path, stopped: Path, tmp_path: Path) -> None:
    directory = copied(stopped, tmp_path / "run")
    states = list(directory.glob("checkpoints/*/state.json"))
    for state in states:
        damage(state, "cut")
    lines = go_on(directory)
    assert sum("cannot be used" in line for line in lines) == len(states) >= 3
    assert f"going on with {directory} after step 0" in lines
    assert_same(whole, directory)


@pytest.mark.parametrize("is_done", [False, True], ids=["before the end", "at the end"])
def test_a_lost_best_policy_is_said_and_the_run_goes_on(
    whole: Path, stopped: Path, tmp_path: Path, is_done: bool
) -> None:
    directory = copied(whole if is_done else stopped, tmp_path / "run")
    (directory / "result.json").unlink(missing_ok=True)
    for name in ("best", "last/best"):
        damage(directory / "checkpoints" / name / "model.safetensors", "flip")
    lines = go_on(directory)
    (said,) = [line for line in lines if "cannot be used" in line]
    assert said.startswith("the best policy so far cannot be used: model.safetensors is not what was written")
    result = result_of(directory)
    assert (result["status"], result["chosen"]) == ("finished", "iteration 4")


def test_a_longer_run_is_what_it_would_have_been_from_the_start(whole: Path, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    finish(directory, *ALONE, "ppo.iterations=2")
    go_on(directory, "ppo.iterations=4")
    assert_same(whole, directory)
    passport = json.loads((directory / "passport.json").read_text())
    assert passport["resumed"][0]["changed"] == {"ppo.iterations": "2 -> 4"}


def test_a_baseline_that_is_done_is_left_alone(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    finish(directory, *SMALL, "ppo.iterations=1", "sft.epochs=1")
    before = {file: file.stat().st_mtime_ns for file in (directory / "baseline_sft").rglob("*")}
    scores = result_of(directory)["baseline_sft"]
    go_on(directory, "ppo.iterations=2")
    assert {file: file.stat().st_mtime_ns for file in (directory / "baseline_sft").rglob("*")} == before
    assert result_of(directory)["baseline_sft"] == scores


def test_a_run_in_use_is_refused_until_its_process_is_killed(repo: Path, tmp_path: Path) -> None:
    held = Run(repo, tmp_path, "tracker=none", "baseline=null", "warmup.epochs=1000")
    first = held.start()
    first.until(lambda: held.step >= 2)
    second = held.start()
    assert second.wait() == 2
    (said,) = second.output.splitlines()
    assert said == (
        f"error: the run directory {held.path} is in use by process {first.pid} on {held.host}; wait until that run "
        "ends, or stop it."
    )
    assert first.is_running
    first.kill()
    third = held.start()
    third.until(lambda: "going on with" in third.output)
    third.kill()
