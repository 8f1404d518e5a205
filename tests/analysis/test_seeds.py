"""Means over seeds as frames are those of the plain statistics."""

from __future__ import annotations

import math

import numpy
import pandas
import pytest

from reft_lab.analysis.resampling import difference_over_seeds_and_questions, mean_over_seeds_and_questions
from reft_lab.analysis.seeds import against, by_setting, gained, per_seed, summarise
from reft_lab.analysis.statistics import holm, mean_over_seeds, p_of_mean, paired_difference
from reft_lab.errors import BadInput
from tests.analysis.frames import found, kl_study, runs_of

KL = "ppo.kl_coef"


def test_each_setting_has_the_mean_over_its_seeds():
    frame = by_setting(kl_study().table, [KL]).set_index(KL)
    assert list(frame.index) == [0.0, 0.01, 0.2]
    expected = mean_over_seeds([0.5, 0.7, 0.6])
    row = frame.loc[0.01]
    assert (row["n"], row["mean"], row["standard_error"]) == pytest.approx((3, 0.6, expected.standard_error))
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))


def test_a_setting_with_one_seed_has_no_interval():
    row = by_setting(kl_study().table, [KL]).set_index(KL).loc[0.2]
    assert (row["n"], row["mean"]) == (1, 0.45)
    assert row[["standard_error", "low", "high"]].isna().all()


def test_runs_of_the_same_seed_count_as_one():
    frame = pandas.DataFrame({"seed": [0, 0, 1], "setting": "a", "value": [0.2, 0.4, 0.5]})
    row = summarise(frame, ["setting"]).iloc[0]
    assert (row["n"], row["mean"]) == (2, pytest.approx(0.4))  # of 0.3 and 0.5


def test_unfinished_runs_do_not_count():
    assert "failed" not in set(per_seed(kl_study().table, [KL])["run"])
    nothing = by_setting(runs_of(found("a", state="running", test=None)).table, ["reward"])
    assert nothing.empty


def test_two_settings_make_every_combination():
    each = [
        found(f"{lam}{gamma}{seed}", seed=seed, test=lam * gamma, config={"ppo.lam": lam, "ppo.gamma": gamma})
        for lam in (0.5, 1.0)
        for gamma in (0.8, 1.0)
        for seed in (0, 1)
    ]
    frame = by_setting(runs_of(*each).table, ["ppo.lam", "ppo.gamma"])
    assert list(zip(frame["ppo.lam"], frame["ppo.gamma"], frame["mean"], frame["n"], strict=True)) == [
        (0.5, 0.8, 0.4, 2),
        (0.5, 1.0, 0.5, 2),
        (1.0, 0.8, 0.8, 2),
        (1.0, 1.0, 1.0, 2),
    ]


def test_differences_are_paired_by_seed_and_corrected():
    frame = against(kl_study().table, KL).set_index(KL)
    assert set(frame["base"]) == {0.01}  # the default of the schema
    expected = paired_difference([0.2, 0.3, 0.4], [0.5, 0.7, 0.6])
    row = frame.loc[0.0]
    assert (row["n"], row["difference"]) == (3, pytest.approx(-0.3))
    assert (row["low"], row["high"], row["p"]) == pytest.approx((expected.low, expected.high, p_of_mean(expected)))
    assert (frame.loc[0.2, "n"], frame.loc[0.2, "difference"]) == (1, pytest.approx(-0.05))
    assert math.isnan(frame.loc[0.2, "p"])
    assert list(frame["p_holm"])[:1] == holm([row["p"]])


def test_several_comparisons_raise_p():
    values = {0.0: (0.1, 0.2, 0.4), 0.01: (0.5, 0.7, 0.6), 0.2: (0.3, 0.4, 0.2)}
    each = [
        found(f"{kl}/{seed}", seed=seed, test=value, config={KL: kl})
        for kl, accuracies in values.items()
        for seed, value in enumerate(accuracies)
    ]
    frame = against(runs_of(*each).table, KL)
    assert list(frame["p_holm"]) == pytest.approx(holm(list(frame["p"])))
    assert (frame["p_holm"] > frame["p"]).all()


def test_the_base_can_be_chosen():
    frame = against(kl_study().table, KL, base=0.0)
    assert list(frame[KL]) == [0.01, 0.2]
    assert list(frame["difference"]) == pytest.approx([0.3, 0.25])  # 0.2 has seed 0 alone
    with pytest.raises(BadInput, match=r"no finished run has ppo.kl_coef=3"):
        against(kl_study().table, KL, base=3)


def test_an_empty_setting_is_a_setting():
    each = [found(f"{n}", test=0.5 + n / 4, config={"ppo.made_up": made_up}) for n, made_up in enumerate((None, 3.0))]
    frame = against(runs_of(*each).table, "ppo.made_up", base=3.0)
    assert list(frame["difference"]) == [-0.25]
    assert frame["ppo.made_up"].isna().all()


def test_a_default_of_null_is_the_base_and_gains_like_any_other():
    runs = [
        found(f"{lam}-{seed}", seed=seed, test=test + seed / 50, warmup=0.4, config={"ppo.lam_value": lam})
        for lam, test in ((None, 0.6), (1.0, 0.7))
        for seed in range(3)
    ]
    table = runs_of(*runs).table
    (row,) = against(table, "ppo.lam_value").to_dict("records")
    assert row["ppo.lam_value"] == 1.0
    assert math.isnan(row["base"])
    assert row["difference"] == pytest.approx(0.1)
    gains = gained(table, "ppo.lam_value")
    assert gains["difference"].tolist() == pytest.approx([0.32, 0.22])
    assert gains["ppo.lam_value"].isna().tolist() == [False, True]


def test_nothing_to_compare_is_an_empty_frame():
    frame = against(runs_of(found("a", test=0.5)).table, "reward")
    assert frame.empty
    interval = ["difference", "standard_error", "low", "high", "p", "p_holm"]
    assert list(frame) == ["reward", "base", "n", "questions", *interval, "seeds_needed", "questions_needed"]


def test_what_reft_gained_over_its_own_warmup():
    frame = gained(kl_study().table, KL).set_index(KL)
    expected = paired_difference([0.5, 0.7, 0.6], [0.11] * 3)
    row = frame.loc[0.01]
    assert (row["n"], row["difference"], row["low"]) == pytest.approx((3, expected.mean, expected.low))
    assert row["seeds_needed"] >= 3


def study(questions=30):
    """Three seeds of two KL coefficients, with the answers behind their accuracies, and those after the warm-up."""
    random, each, lines = numpy.random.default_rng(0), [], []
    for kl, share in ((0.0, 0.4), (0.01, 0.7)):
        for seed in range(3):
            right, before = random.random(questions) < share, random.random(questions) < 0.3
            run = f"{kl}/{seed}"
            each.append(found(run, seed=seed, test=float(right.mean()), warmup=float(before.mean()), config={KL: kl}))
            for n in range(questions):
                first, last = ("correct" if answers[n] else "wrong" for answers in (before, right))
                line = {"run": run, "id": str(n), "question": f"{n} and 1?", "gold": str(n + 1)}
                lines.append(line | {"outcome": last, "warmup_outcome": first})
    return runs_of(*each).table, pandas.DataFrame(lines)


def answers(lines, kl, outcome="outcome"):
    """(seeds, questions) of a setting."""
    right = [lines.loc[lines["run"] == f"{kl}/{seed}", outcome].eq("correct") for seed in range(3)]
    return numpy.array([each.to_numpy() for each in right])


def test_with_predictions_intervals_are_over_seeds_and_questions():
    table, lines = study()
    means = by_setting(table, [KL], predictions=lines).set_index(KL)
    expected = mean_over_seeds_and_questions(answers(lines, 0.01))
    assert (means.loc[0.01, "low"], means.loc[0.01, "questions"]) == (expected.low, 30)
    before = by_setting(table, [KL], "warmup_test_accuracy", predictions=lines).set_index(KL)
    expected = mean_over_seeds_and_questions(answers(lines, 0.0, "warmup_outcome"))
    assert before.loc[0.0, "high"] == expected.high
    (row,) = against(table, KL, base=0.0, predictions=lines).to_dict("records")
    change = difference_over_seeds_and_questions(answers(lines, 0.01), answers(lines, 0.0))
    assert (row["difference"], row["low"], row["p"]) == (change.mean, change.low, p_of_mean(change))
    assert (row["n"], row["questions"]) == (3, 30)
    assert row["seeds_needed"] >= 3
    gain = gained(table, KL, predictions=lines).set_index(KL).loc[0.01]
    change = difference_over_seeds_and_questions(answers(lines, 0.01), answers(lines, 0.01, "warmup_outcome"))
    assert (gain["low"], gain["high"]) == (change.low, change.high)


def test_what_is_no_share_has_no_bounds():
    each = [found(str(seed), seed=seed, test=0.5, seconds=seconds) for seed, seconds in enumerate((10, 90, 20))]
    (row,) = by_setting(runs_of(*each).table, ["reward"], "seconds").to_dict("records")
    assert row["low"] == pytest.approx(mean_over_seeds([10, 90, 20], None).low)
    assert row["low"] < 0


def test_an_unknown_setting_is_one_sentence():
    with pytest.raises(BadInput, match=r"'ppo.kl_koef'; did you mean ppo.kl_coef"):
        by_setting(kl_study().table, ["ppo.kl_koef"])
