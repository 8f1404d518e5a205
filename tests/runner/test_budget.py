"""Runs that end at a budget, and go on with a larger one."""

from __future__ import annotations

import shutil
from pathlib import Path

from reft_lab.command.resume import Resumption, continued
from reft_lab.runner import resume
from reft_lab.tracking.display import Silence
from tests.runner.leftovers import assert_same, lines_of, result_of
from tests.runner.small_runs import ITERATIONS, PASSES, ROLLOUTS, SMALL, WARMUP, finish


def tokens_after(directory: Path) -> list[int]:
    """Tokens sampled and trained on, after each step of a run."""
    total, found = 0, []
    for record in lines_of(directory):
        if "rollout/length" in record:
            total += round(record["rollout/length"] * ROLLOUTS) * (1 + PASSES)
        else:
            total += round(record["time/step_seconds"] * record["time/step_tokens_per_second"])
        found.append(total)
    return found


def go_on(directory: Path, *words: str) -> None:
    found = continued(directory, words)
    assert isinstance(found, Resumption)
    resume(found.config, directory, found.changes, Silence())


def begun(directory: Path, *words: str) -> Path:
    return finish(directory, *SMALL, *words)


def test_a_run_ends_at_the_first_step_that_reaches_its_tokens(small_run: Path, tmp_path: Path) -> None:
    after = tokens_after(small_run)
    assert result_of(small_run)["cost"]["sampled_tokens"] + result_of(small_run)["cost"]["trained_tokens"] == after[-1]
    assert result_of(small_run)["budget"] is None
    limit = after[WARMUP + 1] - 1  # the second iteration reaches it
    cut = begun(tmp_path / "run", f"budget.tokens={limit}")
    found, records = result_of(cut), lines_of(cut)
    assert (found["status"], found["budget"]) == ("finished", f"budget.tokens={limit}")
    assert len(records) == WARMUP + 2
    assert found["cost"]["sampled_tokens"] + found["cost"]["trained_tokens"] == after[WARMUP + 1]
    assert f"ReFT ended after 2 of {ITERATIONS} iterations, where budget.tokens={limit} was reached." in found["notes"]
    assert "eval/accuracy" in records[-1]  # which eval_every alone would not have

    again = shutil.copytree(cut, tmp_path / "again")
    (again / "result.json").unlink()
    resume(continued(again, ()).config, again, display=Silence())  # killed at its very end
    assert_same(cut, again)

    go_on(cut, f"budget.tokens={after[-1] * 2}")
    assert_same(small_run, cut)


def test_a_budget_smaller_than_the_warm_up_ends_there(small_run: Path, tmp_path: Path) -> None:
    after = tokens_after(small_run)
    cut = begun(tmp_path / "run", f"budget.tokens={after[1]}")
    found = result_of(cut)
    assert len(lines_of(cut)) == 2
    assert found["chosen"] == "warm-up"
    assert found["warmup"] == found["final"]
    assert found["notes"][-2:] == [
        f"warm-up ended after 2 of {WARMUP} steps, where budget.tokens={after[1]} was reached.",
        f"budget.tokens={after[1]} left nothing for ReFT, which did none of its {ITERATIONS} iterations.",
    ]
    go_on(cut, "budget.tokens=null")
    assert_same(small_run, cut)


def test_seconds_are_those_of_training(small_run: Path, tmp_path: Path) -> None:
    cut = begun(tmp_path / "run", "budget.seconds=1e-3")
    assert len(lines_of(cut)) == 1
    assert result_of(cut)["budget"] == "budget.seconds=0.001"
    assert result_of(cut)["cost"]["seconds"] < result_of(cut)["seconds"]["total"]


def test_a_finished_run_goes_on_with_a_larger_budget_only(tmp_path: Path) -> None:
    directory = begun(tmp_path / "run", "budget.tokens=100", "ppo.iterations=1")
    for word in ("budget.tokens=100", "budget.tokens=50"):
        said = str(continued(directory, [word]))
        assert "is finished" in said
        assert said.endswith("a larger budget.tokens makes it longer.")
    assert isinstance(continued(directory, ["budget.tokens=101"]), Resumption)
