"""What training took, as result.json says it, against the records of the run."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoModelForCausalLM

from reft_lab.analysis import load
from tests.runner.leftovers import lines_of, result_of
from tests.runner.small_runs import EPOCHS, ITERATIONS, PASSES, ROLLOUTS, TRAIN, WARMUP


def test_questions_tokens_and_steps_are_those_of_the_run(small_run: Path) -> None:
    cost = result_of(small_run)["cost"]
    records = lines_of(small_run)
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
    assert cost["optimizer_steps"] == WARMUP + ITERATIONS * PASSES * 3  # 16 rollouts by sixes
    assert 0 < cost["seconds"] <= sum(result_of(small_run)["seconds"][stage] for stage in ("warmup", "reft"))
    assert cost["seconds"] == result_of(small_run)["seconds"]["training"]


def test_operations_are_about_6_for_each_weight_and_token(small_run: Path) -> None:
    """Attention and prompts make it more; it is not an order of magnitude more."""
    cost = result_of(small_run)["cost"]
    weights = AutoModelForCausalLM.from_pretrained(small_run / "checkpoints" / "best").num_parameters()
    least = 6 * weights * cost["trained_tokens"]
    assert least < cost["flops"] < 20 * least


def test_the_frame_and_the_comparison_have_it(small_run: Path) -> None:
    (row,) = load(small_run).table.to_dict("records")
    cost = result_of(small_run)["cost"]
    assert {name: row[f"cost_{name}"] for name in cost} == cost
