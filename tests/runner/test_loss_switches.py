"""Runs with the switches of the loss on: what they record, and that they go on like any other."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from reft_lab.methods import METHODS
from reft_lab.metrics import recorded
from tests.runner.leftovers import assert_same, lines_of
from tests.runner.processes import Run
from tests.runner.small_runs import finish

SWITCHES = {
    "ppo.value_lr": "ppo.value_lr=1e-2",
    "ppo.clip_high": "ppo.clip_high=0.28",
    "ppo.dual_clip": "ppo.dual_clip=3",
    "ppo.kl_in": "ppo.kl_in=loss",
    "ppo.entropy_coef": "ppo.entropy_coef=0.01",
    "ppo.overlong_cache": "ppo.overlong_cache=0.5",  # to be learned from, where no answer is right yet
    "ppo.importance": "ppo.importance=token",
}
SMALL = (
    "tracker=none",
    "tracker.report=false",
    "baseline=null",
    "data.train_size=64",
    "data.dev_size=16",
    "data.test_size=16",
    "warmup.epochs=2",
    "ppo.iterations=3",
    "ppo.critic_warmup=2",
    "ppo.rollouts=8",
    "ppo.mini_batch=8",
    "ppo.eval_every=5",
    "ppo.max_new_tokens=24",
    "ppo.value_grad_to_trunk=true",
    "ppo.clip_grads=apart",
    "ppo.loss_average=constant",
    "checkpoint.every=1",
    *SWITCHES.values(),
)
WARMUP = 8  # steps


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finish(tmp_path_factory.mktemp("whole") / "run", *SMALL)


def test_each_switch_has_its_metrics(whole: Path) -> None:
    lines = lines_of(whole)
    names = {name for line in lines for name in line}
    assert names == {"step", "seconds", *recorded(METHODS["reft"].records, switches=SWITCHES)}
    assert len(lines) == WARMUP + 2 + 3
    for line in lines[WARMUP : WARMUP + 2]:
        assert "ppo/policy_loss" not in line
        assert line["ppo/value_loss"] > 0
        assert line["alarm/first_ratio"] == 0
    assert "critic warm-up: after 2 iterations" in (whole / "log.txt").read_text()


def test_a_run_that_is_killed_in_the_critic_warm_up_and_after_it_ends_the_same(
    repo: Path, whole: Path, tmp_path: Path
) -> None:
    killed = Run(repo, tmp_path / "killed", *SMALL, forked=True)
    for step in (WARMUP + 1, WARMUP + random.randrange(2, 5)):
        session = killed.start()
        session.until(lambda step=step: killed.step >= step)
        session.kill()
    killed.finish()
    assert_same(whole, killed.path)
