"""Curves over training: their axis, their bands, and how they are thinned."""

from __future__ import annotations

import pytest

from reft_lab.analysis.curves import iterations, run_curves, seed_bands, thinned
from reft_lab.analysis.statistics import mean_over_seeds
from tests.analysis.frames import found, history, runs_of

LONG = [("long", 10 + step, "rollout/reward", step / 10) for step in range(1, 4)]
SHORT = [("short", 3 + step, "rollout/reward", step / 5) for step in range(1, 4)]


def test_iterations_begin_where_the_warmup_ends():
    rows = [*LONG, *SHORT, ("long", 10, "eval/accuracy", 0.5), ("long", 4, "eval/accuracy", 0.3)]
    frame = iterations(history([*rows, ("sft", 9, "eval/accuracy", 0.9)]))
    rewards = frame[frame["metric"] == "rollout/reward"]
    assert {run: list(part["iteration"]) for run, part in rewards.groupby("run")} == {
        "long": [1, 2, 3],
        "short": [1, 2, 3],
    }
    accuracies = frame[frame["metric"] == "eval/accuracy"]
    assert list(zip(accuracies["run"], accuracies["iteration"], strict=True)) == [("long", 0)]  # after the warm-up


def test_bands_are_means_over_seeds_at_every_step():
    runs = runs_of(*(found(f"r{seed}", seed=seed) for seed in range(3)))
    rows = [(f"r{seed}", step, "eval/accuracy", 0.1 * seed + step / 10) for seed in range(3) for step in (1, 2)]
    bands = seed_bands(history(rows), runs.table, ["reward"])
    expected = mean_over_seeds([0.1, 0.2, 0.3])
    row = bands.iloc[0]
    assert list(bands["step"]) == [1, 2]
    assert (row["reward"], row["metric"], row["n"]) == ("partial", "eval/accuracy", 3)
    assert (row["mean"], row["standard_error"], row["low"]) == pytest.approx(
        (expected.mean, expected.standard_error, expected.low)
    )


def test_only_shares_have_bounds():
    runs = runs_of(*(found(f"r{seed}", seed=seed) for seed in range(3)))
    rows = [(f"r{seed}", 1, name, (0.7, 0.8, 1.0)[seed]) for seed in range(3) for name in ("eval/accuracy", "ppo/lr")]
    bands = seed_bands(history(rows), runs.table, ["reward"]).set_index("metric")
    assert bands.loc["eval/accuracy", "high"] < 1 < bands.loc["ppo/lr", "high"]
    assert bands.loc["ppo/lr", "high"] == pytest.approx(mean_over_seeds([0.7, 0.8, 1.0], None).high)


def test_a_mean_never_changes_its_runs_along_the_way():
    runs = runs_of(found("a", seed=0), found("b", seed=1), found("c", seed=2, state="pruned"))
    rows = [("a", 1, "x", 1.0), ("a", 2, "x", 1.0), ("b", 1, "x", 3.0), ("c", 1, "x", 9.0)]
    bands = seed_bands(history(rows), runs.table, ["reward"])
    assert list(zip(bands["step"], bands["n"], bands["mean"], strict=True)) == [(1, 2, 2.0)]


def test_no_metrics_make_no_bands():
    bands = seed_bands(history([]), runs_of(found("a")).table, ["reward"])
    assert bands.empty
    assert "mean" in bands


def test_long_curves_are_means_of_neighbours():
    rows = [(run, step, "x", float(step)) for run in ("a", "b") for step in range(1000)]
    frame = thinned(history(rows), ["run", "metric"], "step", points=100)
    assert len(frame) == 200
    first = frame[frame["run"] == "a"].iloc[0]
    assert (first["step"], first["value"]) == (4.5, 4.5)  # of steps 0 to 9
    assert set(frame.loc[frame["run"] == "a", "step"]) == set(frame.loc[frame["run"] == "b", "step"])


def test_short_curves_stay_as_they_are():
    frame = history(LONG)
    assert thinned(frame, ["run", "metric"], "step") is frame


def test_single_runs_are_there_whatever_their_state():
    runs = runs_of(found("long", state="failed"), found("short"))
    frame = run_curves(history([*LONG, *SHORT]), runs.table)
    assert set(zip(frame["run"], frame["state"], strict=True)) == {("long", "failed"), ("short", "finished")}
    assert len(frame) == 6
