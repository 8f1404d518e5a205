"""What training took, as result.json says it, against the records of the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM

from reft_lab.analysis import load
from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.runner import run
from reft_lab.tracking.display import Silence

TRAIN, EPOCHS, ITERATIONS, ROLLOUTS, PASSES = 48, 2, 3, 16, 2
SMALL = (
    "tracker=none",
    "tracker.report=false",
    "baseline=null",
    f"data.train_size={TRAIN}",
    "data.dev_size=16",
    "data.test_size=16",
    f"warmup.epochs={EPOCHS}",
    f"ppo.iterations={ITERATIONS}",
    f"ppo.rollouts={ROLLOUTS}",
    "ppo.samples_per_problem=2",
    "ppo.mini_batch=6",
    f"ppo.epochs={PASSES}",
    "ppo.max_new_tokens=32",
)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("cost") / "run"
    run(check(compose(*SMALL)), directory, display=Silence())
    return directory


def result(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "result.json").read_text())


def test_questions_tokens_and_steps_are_those_of_the_run(done: Path) -> None:
    cost = result(done)["cost"]
    records = [json.loads(line) for line in (done / "metrics.jsonl").read_text().splitlines()]
    rollouts = [record for record in records if "rollout/length" in record]
    sampled = round(sum(record["rollout/length"] * ROLLOUTS for record in rollouts))
    # A supervised step tells its speed in gold tokens.
    gold = sum(
        record["time/step_seconds"] * record["time/step_tokens_per_second"]
        for record in records
        if "time/step_seconds" in record
    )
    assert cost["questions"] == EPOCHS * TRAIN + ITERATIONS * ROLLOUTS // 2
    assert cost["sampled_tokens"] == sampled
    assert cost["trained_tokens"] == round(gold) + PASSES * sampled
    assert cost["optimizer_steps"] == EPOCHS * TRAIN // 16 + ITERATIONS * PASSES * 3  # 16 rollouts by sixes
    assert 0 < cost["seconds"] <= sum(result(done)["seconds"][stage] for stage in ("warmup", "reft"))
    assert cost["seconds"] == result(done)["seconds"]["training"]


def test_operations_are_about_6_for_each_weight_and_token(done: Path) -> None:
    """Attention and prompts make it more; it is not an order of magnitude more."""
    cost = result(done)["cost"]
    weights = AutoModelForCausalLM.from_pretrained(done / "checkpoints" / "best").num_parameters()
    least = 6 * weights * cost["trained_tokens"]
    assert least < cost["flops"] < 20 * least


def test_the_frame_and_the_comparison_have_it(done: Path) -> None:
    (row,) = load(done).table.to_dict("records")
    cost = result(done)["cost"]
    assert {name: row[f"cost_{name}"] for name in cost} == cost
