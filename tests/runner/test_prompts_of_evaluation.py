"""Evaluation asks with the prompts of the stage that trained the policy, where the two stages' prompts differ."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.cot import ProgramFormat, Prompts
from reft_lab.data import Problem
from reft_lab.runner import run
from reft_lab.tracking.display import Silence
from tests.runner.leftovers import result_of
from tests.runner.small_runs import finish

SMALL = (
    "debug=quick",
    "tracker.wandb=disabled",
    "tracker.report=false",
    "baseline=null",
    "cot.number_slots=false",
    "cot.sft_trigger=false",
    "cot.rl_trigger=true",
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Prompts]]:
    """The stages in whose prompts dev and test problems were asked, by split."""
    stages: dict[str, list[Prompts]] = defaultdict(list)
    plain = ProgramFormat.prompt

    def prompt(self: ProgramFormat, problem: Problem, stage: Prompts) -> str:
        split = problem.id.split("-")[1]
        if split != "train":
            stages[split].append(stage)
        return plain(self, problem, stage)

    monkeypatch.setattr(ProgramFormat, "prompt", prompt)
    return stages


def chosen(directory: Path) -> str:
    return str(result_of(directory)["chosen"])


def test_sft_is_evaluated_without_the_trigger(asked: dict[str, list[Prompts]], tmp_path: Path) -> None:
    finish(tmp_path / "run", *SMALL, "method=sft")
    assert asked.keys() == {"dev", "test"}
    assert {stage for stages in asked.values() for stage in stages} == {"sft"}


def test_the_warm_up_without_and_reft_with_it(asked: dict[str, list[Prompts]], tmp_path: Path) -> None:
    finish(tmp_path / "run", *SMALL, "ppo.lr=1e-12", "ppo.iterations=1")
    assert asked["dev"] == ["sft"] * 32 + ["rl"] * 32
    assert chosen(tmp_path / "run") == "warm-up"
    assert asked["test"] == ["sft"] * 64  # what was chosen, and the warm-up beside it


def test_what_reft_made_is_tested_with_its_prompt(asked: dict[str, list[Prompts]], tmp_path: Path) -> None:
    words = (*SMALL, "warmup.epochs=0", "ppo.iterations=1", "eval.dev_limit=1")
    with pytest.raises(Exception, match=r"warmup\.epochs=0 needs a trained model"):
        check(compose(*words))
    finish(tmp_path / "first", *SMALL)
    asked.clear()
    run(
        check(compose(*words, f"model.path={tmp_path / 'first/checkpoints/best'}")), tmp_path / "run", display=Silence()
    )
    assert asked["dev"] == ["sft", "rl"]
    expected = "sft" if chosen(tmp_path / "run") == "warm-up" else "rl"
    assert asked["test"] == [expected] * 32 + ["sft"] * 32
