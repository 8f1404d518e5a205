"""What is on the page of a study."""

from __future__ import annotations

import re
import shutil

import numpy as np

from reft_lab.analysis.power import needed
from reft_lab.analysis.resampling import difference_over_seeds_and_questions, mean_over_seeds_and_questions
from reft_lab.numbers import interval, interval_in_points, per_cent
from reft_lab.report import study_report
from tests.report.test_run_page import data_of, text_of
from tests.report.written import write_run


def test_settings_are_compared_with_the_default(study_page):
    text = text_of(study_page)
    assert "ppo.kl_coef= 0.01 base" in text
    # 0.2 above the base on each seed: what is left is the spread over problems.
    change = difference_over_seeds_and_questions(answers(70), answers(50))
    assert f"+20.0 {interval_in_points(change.low, change.high)} &lt; 0.001 3 seeds × 100 problems" in text
    mean = mean_over_seeds_and_questions(answers(70))
    assert f"± {per_cent(mean.standard_error)} {interval(mean.low, mean.high)}" in text
    need = needed([answers(70) - answers(50)])
    assert f"3 seeds × 100 problems {need.short}" in text
    assert re.search(r"\+1\.0 \+0\.0 to \+3\.0 1\.000 100 problems [\d,]+ questions", text)  # one seed
    assert "best on dev" in text
    assert "One seed proves nothing" not in text
    assert "Two seeds give no interval" not in text


def answers(right):
    """Of three seeds, around so many right ones of 100."""
    return np.array([[n < right + seed - 1 for n in range(100)] for seed in range(3)], float)


def test_two_seeds_are_dots_without_an_interval(tmp_path):
    for number, reward in enumerate(("exact", "partial")):
        for seed in range(2):
            words = (f"reward.function={reward}", f"seed={seed}")
            right = [n < 5 + number + seed for n in range(10)]
            write_run(tmp_path / f"{number}{seed}", *words, accuracy=(5 + number + seed) / 10, right=right)
    page = study_report(tmp_path)
    text = text_of(page)
    assert "Two seeds give no interval:" in text
    assert "±" not in text.partition("Change")[0].partition("base")[2]
    assert "2 seeds: no interval" in text
    rows = data_of(page, "specs")["study-accuracy"]["data"]["values"]
    assert sorted(rows[0]["each"]) == [0.5, 0.6]
    assert not any("low" in row for row in rows)


def test_runs_stand_with_state_and_reason(study_page):
    text = text_of(study_page)
    assert "7 finished" in text
    assert "It ran out of memory." in text
    assert "1 failed, 1 pruned" in text


def test_curves_are_means_over_seeds(study_page):
    rows = data_of(study_page, "specs")["study-eval-accuracy"]["data"]["values"]
    last = rows[-1]
    assert last["x"] == 4
    assert last["s0"] == 0.7
    assert last["h0"] > last["s0"] > last["l0"]
    assert "l2" not in last  # one seed has no band
    assert rows[0]["x"] == 0


def test_outcomes_are_shares_of_a_setting(study_page):
    rows = data_of(study_page, "specs")["study-outcomes"]["data"]["values"]
    assert {row["label"]: row["value"] for row in rows if row["name"] == "correct"} == {
        "ppo.kl_coef=0": 0.7,
        "ppo.kl_coef=0.01": 0.5,
        "ppo.kl_coef=0.05": 0.5,
    }


def test_methods_go_by_their_labels(tmp_path):
    for number, method in enumerate(("sft", "reft", "online_st")):
        write_run(tmp_path / "methods" / str(number), f"method={method}", iterations=0 if method == "sft" else 4)
    text = text_of(study_report(tmp_path / "methods"))
    assert "Changes are against the base, the default setting: ReFT ." in text
    assert "Online-ST" in text
    assert "Without iterations, and so without a curve: SFT." in text


def test_one_seed_is_said_to_prove_nothing(tmp_path):
    for number, reward in enumerate(("exact", "partial")):
        write_run(tmp_path / str(number), f"reward.function={reward}", right=[number == 0, True, False])
    text = text_of(study_report(tmp_path))
    assert "One seed proves nothing." in text
    assert "3 problems" in text


def test_settings_tested_on_other_questions_have_no_interval(tmp_path):
    for number, reward in enumerate(("exact", "partial")):
        write_run(tmp_path / str(number), f"reward.function={reward}", right=[True, False], asked=number)
    text = text_of(study_report(tmp_path))
    assert "other test questions" in text
    assert "2 problems" not in text


def test_settings_tested_on_other_questions_are_refused_on_any_number_of_seeds(tmp_path):
    for number, reward in enumerate(("exact", "partial")):
        for seed in range(3):
            words = (f"reward.function={reward}", f"seed={seed}")
            write_run(tmp_path / f"{number}{seed}", *words, right=[True, False], asked=number)
    page = study_report(tmp_path)
    text = text_of(page)
    assert "other test questions" in text
    assert "3 seeds" not in text
    assert "study-change" not in data_of(page, "specs")


def test_a_confirmation_is_told(study_page, tmp_path):
    folder = shutil.copytree(study_page.parent, tmp_path / "kl")
    (folder / "confirm.json").write_text(
        '{"trial": 1, "seeds": [1000, 1001], "test_accuracy": {"trial-1": [0.5, 0.6], "first": [0.4, 0.4]},'
        ' "difference": {"mean": 0.15, "standard_error": 0.05, "ci95": [-0.4, 0.7]}}'
    )
    text = text_of(study_report(folder))
    assert "+15.0 points (95 % interval −40.0 to +70.0, paired by seed): no difference that counts." in text
    (folder / "confirm.json").write_text(
        '{"trial": 1, "seeds": [1000, 1001], "test_accuracy": {"trial-1": [0.5, 0.6], "first": [0.4, 0.4]},'
        ' "difference": {"mean": 0.15, "standard_error": null, "ci95": null}, "questions": 0,'
        ' "needed": "It needs more."}'
    )
    text = text_of(study_report(folder))
    assert "+15.0 points , on two seeds, which give no interval. It needs more." in text
    (folder / "confirm.json").write_text(
        '{"trial": 1, "seeds": [7, 8, 9], "test_accuracy": {"trial-1": [0.5, 0.6, 0.7], "first": [0.4, 0.4, 0.4]},'
        ' "difference": {"mean": null, "standard_error": null, "ci95": null}, "refused": "Other questions."}'
    )
    text = text_of(study_report(folder))
    assert "Not compared: Other questions." in text
    assert "Difference:" not in text
    (folder / "confirm.json").write_text("{}")
    assert "no difference that counts" not in text_of(study_report(folder))


def test_runs_that_did_not_finish_are_shown_nevertheless(tmp_path):
    write_run(tmp_path / "0", accuracy=None)
    page = study_report(tmp_path)
    text = text_of(page)
    assert "No run has finished" in text
    assert "It left no result" in text
    assert data_of(page, "specs")["study-rollout-reward"]["data"]["values"]


def test_a_study_of_many_settings_stays_small(tmp_path):
    for number in range(10):
        write_run(tmp_path / str(number), f"ppo.kl_coef={number / 100}", accuracy=0.4 + number / 100)
    page = study_report(tmp_path)
    drawn = data_of(page, "specs")["study-eval-accuracy"]["data"]["values"][-1]
    assert sum(key.startswith("s") for key in drawn) == 8
    assert "The base and the best settings on dev are drawn, 8 in all." in text_of(page)


def test_damaged_runs_are_of_no_setting_but_listed(tmp_path):
    for number in range(3):
        run = write_run(tmp_path / str(number), f"ppo.kl_coef={number}")
        if number == 2:
            (run / "config.yaml").write_text("a: [")
    text = text_of(study_report(tmp_path))
    assert "ppo.kl_coef= 1" in text
    assert "null" not in text
    assert "1 damaged" in text
    assert "config.yaml cannot be read" in text


def test_a_folder_of_damaged_runs_alone_has_a_page(tmp_path):
    for number in range(2):
        (write_run(tmp_path / str(number)) / "config.yaml").unlink()
    assert "2 damaged" in text_of(study_report(tmp_path))
