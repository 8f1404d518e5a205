"""Runs that end at a budget, and go on with a larger one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from reft_lab.command.resume import Resumption, continued
from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.runner import resume, run
from reft_lab.tracking.display import Silence
from tests.runner.leftovers import assert_same

SMALL = (
    "tracker=none",
    "tracker.report=false",
    "baseline=null",
    "data.train_size=48",
    "data.dev_size=16",
    "data.test_size=16",
    "warmup.epochs=2",
    "ppo.iterations=4",
    "ppo.rollouts=16",
    "ppo.mini_batch=8",
    "ppo.max_new_tokens=32",
    "ppo.eval_every=4",
)
WARMUP, ITERATIONS = 6, 4


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without a budget."""
    directory = tmp_path_factory.mktemp("whole") / "run"
    run(check(compose(*SMALL)), directory, display=Silence())
    return directory


def result(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "result.json").read_text())


def lines(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]


def tokens_after(directory: Path) -> list[int]:
    """Tokens sampled and trained on, after each step of a run."""
    total, found = 0, []
    for record in lines(directory):
        if "rollout/length" in record:
            total += round(record["rollout/length"] * 16) * (1 + 2)
        else:
            total += round(record["time/step_seconds"] * record["time/step_tokens_per_second"])
        found.append(total)
    return found


def go_on(directory: Path, *words: str) -> None:
    found = continued(directory, words)
    assert isinstance(found, Resumption)
    resume(found.config, directory, found.changes, Silence())


def begun(directory: Path, *words: str) -> Path:
    run(check(compose(*SMALL, *words)), directory, display=Silence())
    return directory


def test_a_run_ends_at_the_first_step_that_reaches_its_tokens(whole: Path, tmp_path: Path) -> None:
    after = tokens_after(whole)
    assert result(whole)["cost"]["sampled_tokens"] + result(whole)["cost"]["trained_tokens"] == after[-1]
    assert result(whole)["budget"] is None
    limit = after[WARMUP + 1] - 1  # the second iteration reaches it
    cut = begun(tmp_path / "run", f"budget.tokens={limit}")
    found, records = result(cut), lines(cut)
    assert (found["status"], found["budget"]) == ("finished", f"budget.tokens={limit}")
    assert len(records) == WARMUP + 2
    assert found["cost"]["sampled_tokens"] + found["cost"]["trained_tokens"] == after[WARMUP + 1]
    assert f"ReFT ended after 2 of 4 iterations, where budget.tokens={limit} was reached." in found["notes"]
    assert "eval/accuracy" in records[-1]  # which eval_every=4 alone would not have

    again = shutil.copytree(cut, tmp_path / "again")
    (again / "result.json").unlink()
    resume(continued(again, ()).config, again, display=Silence())  # killed at its very end
    assert_same(cut, again)

    go_on(cut, f"budget.tokens={after[-1] * 2}")
    assert_same(whole, cut)


def test_a_budget_smaller_than_the_warm_up_ends_there(whole: Path, tmp_path: Path) -> None:
    after = tokens_after(whole)
    cut = begun(tmp_path / "run", f"budget.tokens={after[1]}")
    found = result(cut)
    assert len(lines(cut)) == 2
    assert found["chosen"] == "warm-up"
    assert found["warmup"] == found["final"]
    assert found["notes"][-2:] == [
        f"warm-up ended after 2 of 6 steps, where budget.tokens={after[1]} was reached.",
        f"budget.tokens={after[1]} left nothing for ReFT, which did none of its 4 iterations.",
    ]
    go_on(cut, "budget.tokens=null")
    assert_same(whole, cut)


def test_seconds_are_those_of_training(whole: Path, tmp_path: Path) -> None:
    cut = begun(tmp_path / "run", "budget.seconds=1e-3")
    assert len(lines(cut)) == 1
    assert result(cut)["budget"] == "budget.seconds=0.001"
    assert result(cut)["cost"]["seconds"] < result(cut)["seconds"]["total"]


def test_a_finished_run_goes_on_with_a_larger_budget_only(tmp_path: Path) -> None:
    directory = begun(tmp_path / "run", "budget.tokens=100", "ppo.iterations=1")
    for word in ("budget.tokens=100", "budget.tokens=50"):
        said = str(continued(directory, [word]))
        assert "is finished" in said
        assert said.endswith("a larger budget.tokens makes it longer.")
    assert isinstance(continued(directory, ["budget.tokens=101"]), Resumption)
