"""What a reader is told before runs are compared."""

from __future__ import annotations

import pandas
import pytest

from reft_lab.analysis.settings import column_of, default_of, describe, differing, with_settings
from reft_lab.errors import BadInput
from tests.analysis.frames import found, kl_study, runs_of


def test_a_setting_is_a_column_or_an_option():
    table = kl_study().table
    assert column_of(table, "reward") == "reward"
    assert column_of(table, "ppo.kl_coef") == "config.ppo.kl_coef"
    with pytest.raises(BadInput, match=r"did you mean ppo.kl_coef"):
        column_of(table, "kl_coef")


def test_defaults_come_from_the_schema():
    assert default_of("ppo.kl_coef") == 0.01
    assert default_of("reward") == "partial"
    assert default_of("no.such") is None


def test_the_description_counts_runs_settings_and_seeds():
    text = describe(kl_study(), ["ppo.kl_coef"])
    assert "**8 runs**: 7 finished, 1 failed" in text
    assert "3 settings, each with 1 to 3 seeds. **One seed proves nothing**" in text
    assert "- `failed`: failed (the loss was not a number)" in text
    assert "**Mind:**" not in text


def test_enough_seeds_are_not_complained_about():
    text = describe(runs_of(*(found(str(seed), seed=seed) for seed in range(3))), ["reward"])
    assert "1 setting, each with 3 seeds. Intervals are 95 %" in text


def test_two_seeds_are_said_to_give_no_interval():
    text = describe(runs_of(found("a", seed=0), found("b", seed=1)), ["reward"])
    assert "1 setting, each with 2 seeds. **Two seeds give no interval**" in text


def test_what_else_differs_is_told():
    each = [found(f"{kl}", test=0.5, config={"ppo.kl_coef": kl, "ppo.lr": 1 + kl}) for kl in (0.0, 0.1)]
    assert differing(runs_of(*each).table, ["ppo.kl_coef"]) == ["ppo.lr"]
    assert "differ in more than `ppo.kl_coef`, `seed`: `ppo.lr`" in describe(runs_of(*each), ["ppo.kl_coef"])
    assert differing(runs_of(*each).table, ["ppo.kl_coef"], within=True) == []  # each lr goes with one coefficient


def test_a_column_stands_for_its_option():
    each = [found("a", reward="exact"), found("b", reward="partial")]
    assert differing(runs_of(*each).table, ["reward"]) == []
    assert differing(runs_of(*each).table) == ["reward.function"]


def test_bookkeeping_is_no_difference():
    each = [
        found(str(n), seed=n, config={"study.trial": n, "tracker.group": str(n), "trainer.threads": n}) for n in (1, 2)
    ]
    assert differing(runs_of(*each).table) == []


def test_a_run_from_before_an_option_came_has_its_default():
    older, newer = found("a"), found("b", config={"model.lora.alpha": 32, "model.pad_token": "x"})
    assert differing(runs_of(older, newer).table) == ["model.pad_token"]  # which may be null, and is something else


def test_no_finished_run_and_unreadable_files_are_told():
    text = describe(runs_of(found("a", state="running"), problems=["a/metrics.jsonl: 2 damaged lines left out"]))
    assert "None is finished" in text
    assert "- `a`: running\n" in f"{text}\n"
    assert "- a/metrics.jsonl: 2 damaged lines left out" in text


def test_selection_on_test_is_told():
    config = {"selection": "test"}
    assert "selected on the test split" in describe(runs_of(found("a", config=config)))


def test_settings_join_a_long_frame():
    frame = pandas.DataFrame({"run": ["0.0/0", "failed", "unknown"], "value": [1.0, 2.0, 3.0]})
    table = kl_study().table
    everything = with_settings(frame, table, ["ppo.kl_coef"], finished_only=False)
    assert list(everything["run"]) == ["0.0/0", "failed"]
    assert list(everything["ppo.kl_coef"]) == [0.0, 0.0]
    assert list(everything["seed"]) == [0, 7]
    assert list(with_settings(frame, table, [], finished_only=True)["run"]) == ["0.0/0"]
