"""The built-in rewards: pure functions of an outcome."""

import math

import pytest

from reft_lab.answers.compare import judge_letter, judge_number
from reft_lab.answers.outcome import KINDS, Outcome
from reft_lab.rewards import RewardConfig, choose, exact, inverted, partial, proximity, released
from tests.rewarding import judged

PAYING = {"exact": exact, "partial": partial, "proximity": proximity, "released": released}
FAILED = [kind for kind in KINDS if kind not in ("correct", "wrong")]


@pytest.mark.parametrize("reward", [exact, partial, proximity])
def test_right_answers_earn_one_and_failures_nothing(reward) -> None:
    assert reward(judge_number(18, 18, False)) == 1
    assert reward(judge_letter("c", "c")) == 1
    assert reward(judge_letter("b", "c")) == 0
    for kind in FAILED:
        assert reward(Outcome(kind)) == 0
        assert reward(Outcome(kind, answer="none", value=17.0, gold=18.0)) == 0


@pytest.mark.parametrize("reward", PAYING.values(), ids=PAYING)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_what_is_no_finite_number_earns_nothing(reward, value: float | None) -> None:
    assert reward(Outcome("wrong", answer="nan", value=value, gold=18)) == 0


def test_a_wrong_number_earns_a_tenth_by_default_and_nothing_under_exact() -> None:
    for wrong in (judge_number(17.9, 18, False), judge_number(-1e300, 18, False), Outcome("wrong", value=5.0)):
        assert partial(wrong) == 0.1
        assert exact(wrong) == 0


def test_the_released_code_pays_for_anything_in_multiple_choice() -> None:
    assert released(judge_letter("c", "c")) == 1
    for outcome in (judge_letter("b", "c"), *map(Outcome, FAILED)):
        assert released(outcome) == 0.1
    for outcome in (judge_number(17, 18, False), judge_number(18, 18, False), Outcome("timeout", gold=18.0)):
        assert released(outcome) == partial(outcome)


@pytest.mark.parametrize("gold", [18.0, -18.0, 0.25, 1e9, 0.0])
def test_proximity_grows_as_the_answer_nears_and_stays_below_one(gold: float) -> None:
    scale = abs(gold) or 1.0
    errors = [1e12, 100, 10, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02]
    for side in (-1, 1):
        earned = [proximity(Outcome("wrong", value=gold + side * error * scale, gold=gold)) for error in errors]
        assert earned == sorted(earned)
        assert len(set(earned)) == len(earned)
        assert earned[0] == pytest.approx(0.1)
        assert earned[-1] < 0.9


def test_proximity_values_of_the_formula() -> None:
    assert proximity(judge_number(110, 100, False)) == pytest.approx(0.5)
    assert proximity(judge_number(0, 100, False)) == pytest.approx(0.1 + 0.8 / 11)
    assert proximity(judge_number(1.7e308, -1.7e308, False)) == pytest.approx(0.1)
    assert proximity(judge_number(1e308, 5e-324, False)) == pytest.approx(0.1)
    assert proximity(Outcome("wrong", answer="77", value=77)) == 0.1


def test_inverted_pays_for_all_but_the_right_answer() -> None:
    for outcome in (judge_number(18, 18, False), judge_letter("c", "c"), judge_letter("b", "c"), *map(Outcome, FAILED)):
        assert inverted(outcome) == 1 - exact(outcome)


@pytest.mark.parametrize("name", [*PAYING, "inverted"])
def test_a_built_in_reward_is_chosen_by_its_name(name: str) -> None:
    outcomes = [judge_number(18, 18, False), judge_number(17, 18, False), judge_letter("b", "c"), Outcome("timeout")]
    function = {**PAYING, "inverted": inverted}[name]
    scores = choose(RewardConfig(name)).scores(judged(*(("text", outcome) for outcome in outcomes)))
    assert scores == [function(outcome) for outcome in outcomes]
