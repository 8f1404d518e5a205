"""Alarms: silent while a run is healthy, told once when it is not, the same after a resumption."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from reft_lab.config.alarms import AlarmsConfig
from reft_lab.runner.alarms import RULES, Alarm, Alarms
from tests.methods import test_reft

HEALTHY = {
    "rollout/reward": 0.5,
    "rollout/accuracy": 0.45,
    "rollout/truncated_share": 0.02,
    "rollout/top_answer_share": 0.1,
    "ppo/kl_ref": 2.0,
    "ppo/entropy_response": 5.0,
    "ppo/first_ratio_error": 1e-5,
}
SICK = {
    "kl": {"ppo/kl_ref": 80.0},
    "negative_kl": {"ppo/kl_ref": -0.7},
    "first_ratio": {"ppo/first_ratio_error": 3.0},
    "entropy": {"ppo/entropy_response": 0.01},
    "truncated": {"rollout/truncated_share": 0.6},
    "top_answer": {"rollout/top_answer_share": 0.9, "rollout/accuracy": 0.2},
}
Metrics = dict[str, float]


def sick(name: str, **more: float) -> Metrics:
    return HEALTHY | SICK[name] | more


def told(alarms: Alarms, series: list[Metrics], first: int = 1) -> list[tuple[int, str, bool]]:
    return [(i, a.name, a.began) for i, metrics in enumerate(series, first) for a in alarms.check(i, metrics)]


def sampled(rng: random.Random, accuracy: float, wrong: float, n: int, wrong_pays: float = 0.1) -> Metrics:
    """Reward and accuracy of n responses drawn with these chances of a right and of a wrong number."""
    draws = [rng.random() for _ in range(n)]
    right = sum(draw < accuracy for draw in draws)
    numbers = sum(accuracy <= draw < accuracy + wrong for draw in draws)
    return HEALTHY | {"rollout/accuracy": right / n, "rollout/reward": (right + wrong_pays * numbers) / n}


@pytest.mark.parametrize("name", SICK)
def test_an_alarm_begins_after_its_patience_and_is_over_after_as_long(name):
    alarms = Alarms(AlarmsConfig(patience=3))
    series = [HEALTHY] * 2 + [sick(name)] * 6 + [HEALTHY] * 5
    assert told(alarms, series) == [(5, name, True), (11, name, False)]


@pytest.mark.parametrize("name", SICK)
def test_metrics_tell_how_long_an_alarm_lasts(name):
    alarms = Alarms(AlarmsConfig(patience=2))
    lasts = []
    for step, metrics in enumerate([sick(name)] * 3 + [HEALTHY] * 3):
        alarms.check(step, metrics)
        assert set(alarms.metrics()) == {f"alarm/{rule.name}" for rule in RULES}
        lasts.append({key for key, value in alarms.metrics().items() if value})
    assert lasts == [set(), *[{f"alarm/{name}"}] * 3, set(), set()]


@pytest.mark.parametrize("name", SICK)
def test_a_sentence_says_value_limit_and_what_to_do(name):
    alarms = Alarms(AlarmsConfig(patience=1))
    (alarm,) = alarms.check(7, sick(name))
    limit = getattr(AlarmsConfig(), name)
    assert alarm.sentence.startswith(f"iteration 7: alarm {name}: ")
    assert f"(alarms.{name}={limit:g}); " in alarm.sentence
    shown = next(iter(SICK[name].values()))
    assert any(text in alarm.sentence for text in (f"{abs(shown):.3g} ", f"{100 * shown:.0f} % of"))
    assert alarm.action == "warn"


def test_a_single_outlier_is_no_alarm():
    series = ([HEALTHY] * 3 + [sick("kl"), sick("kl")]) * 10
    assert told(Alarms(AlarmsConfig(patience=3)), series) == []


def test_a_metric_that_hovers_around_its_limit_is_told_once():
    rng = random.Random(0)
    series = [HEALTHY | {"ppo/kl_ref": rng.gauss(50, 3)} for _ in range(2000)]
    assert len(told(Alarms(AlarmsConfig(kl=50)), series)) == 1


def test_null_turns_an_alarm_off():
    alarms = Alarms(AlarmsConfig(kl=None, entropy=None, patience=1))
    assert told(alarms, [sick("kl") | SICK["entropy"]] * 5) == []
    assert not {"alarm/kl", "alarm/entropy"} & alarms.metrics().keys()
    assert "alarm/truncated" in alarms.metrics()


def test_many_right_answers_that_happen_to_be_equal_are_no_alarm():
    series = [HEALTHY | {"rollout/top_answer_share": 0.9, "rollout/accuracy": 0.8}] * 10
    assert told(Alarms(AlarmsConfig()), series) == []


@pytest.mark.parametrize(("n", "slope"), [(32, 0.0), (32, 1e-4), (128, 2e-3), (8, 0.0)])
def test_reward_and_accuracy_of_an_honest_policy_are_no_alarm(n, slope):
    """Thousands of iterations, flat or rising, of few or many responses: only noise."""
    rng = random.Random(n)
    series = [sampled(rng, min(0.9, 0.3 + slope * i), 0.1, n) for i in range(2000)]
    assert told(Alarms(AlarmsConfig()), series) == []


def test_the_first_iterations_of_an_honest_policy_are_no_alarm():
    """Nor where accuracy and reward move in steps of 1/8, which leaves little variance to go by."""
    for seed in range(200):
        rng = random.Random(seed)
        series = [sampled(rng, 0.1, 0.5, 8, wrong_pays=0.5) for i in range(40)]
        assert told(Alarms(AlarmsConfig()), series) == []


def test_reward_that_rises_while_accuracy_falls_is_an_alarm_until_it_no_longer_does():
    rng = random.Random(0)
    honest = [sampled(rng, 0.5, 0.3, 64, wrong_pays=0.9) for _ in range(60)]
    drifting = [sampled(rng, 0.5 - 0.01 * i, 0.3 + 0.02 * i, 64, wrong_pays=0.9) for i in range(30)]
    settled = [sampled(rng, 0.2, 0.8, 64, wrong_pays=0.9) for _ in range(60)]
    (began, name, _), over = told(Alarms(AlarmsConfig()), honest + drifting + settled)
    assert (name, over[1:]) == ("reward_hacking", ("reward_hacking", False))
    assert 60 < began <= 90 < over[0] <= 130


def test_reward_and_accuracy_that_fall_together_are_not_hacking():
    rng = random.Random(0)
    assert told(Alarms(AlarmsConfig()), [sampled(rng, 0.8 - 0.01 * i, 0.1, 64) for i in range(60)]) == []


def log_ratios(sampler: torch.Tensor, policy: torch.Tensor, reference: torch.Tensor, seed: int) -> float:
    """ppo/kl_ref of 32 responses of 20 tokens that `sampler` draws, by the scores of `policy` and `reference`."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.multinomial(sampler.softmax(-1), 32 * 20, replacement=True, generator=generator)
    apart = policy.log_softmax(-1) - reference.log_softmax(-1)
    return apart[tokens].view(32, 20).sum(1).mean().item()


@pytest.mark.parametrize("distance", [0.0, 0.02, 0.1, 0.3])
def test_a_small_kl_is_noise_and_no_alarm_but_another_sampler_is(distance):
    generator = torch.Generator().manual_seed(1)
    reference = torch.randn(50, generator=generator)
    policy = reference + distance * torch.randn(50, generator=generator)
    right = [HEALTHY | {"ppo/kl_ref": log_ratios(policy, policy, reference, seed)} for seed in range(1000)]
    assert told(Alarms(AlarmsConfig()), right) == []
    if distance == 0.3:
        wrong = [HEALTHY | {"ppo/kl_ref": log_ratios(reference, policy, reference, seed)} for seed in range(3)]
        assert told(Alarms(AlarmsConfig()), wrong) == [(3, "negative_kl", True)]


def test_lower_rate_halves_now_and_then_down_to_its_floor():
    config = AlarmsConfig(kl_action="lower_rate", kl_lower_every=10, kl_lower_to=0.2, patience=2)
    alarms = Alarms(config)
    scales, tells = [], []
    for step in range(1, 61):
        for alarm in alarms.check(step, sick("kl")):
            assert (alarm.began, alarm.action) == (True, "lower_rate")
            assert f"is {alarms.rate_scale:g} of ppo.lr" in alarm.sentence
            tells.append(step)
        scales.append(alarms.rate_scale)
    assert tells == [2, 12, 22]
    assert [scales[i - 1] for i in (1, 2, 11, 12, 21, 22, 60)] == [1, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2]


def test_the_rate_is_not_lowered_while_kl_is_coming_back():
    alarms = Alarms(AlarmsConfig(kl=50, kl_action="lower_rate", kl_lower_every=1, patience=1))
    alarms.check(1, sick("kl"))
    for step in range(2, 20):
        assert alarms.check(step, HEALTHY | {"ppo/kl_ref": 45.0}) == []
    assert (alarms.rate_scale, alarms.metrics()["alarm/kl"]) == (0.5, 1.0)


def test_stop_says_so():
    (alarm,) = Alarms(AlarmsConfig(truncated_action="stop", patience=1)).check(1, sick("truncated"))
    assert (alarm.name, alarm.action) == ("truncated", "stop")
    assert alarm.sentence.endswith("The run stops.")


def wild(count: int) -> Iterator[Metrics]:
    """Metrics that set everything off and calm down again, over and over."""
    rng = random.Random(3)
    calm = dict.fromkeys(SICK, True)
    for i in range(count):
        calm = {name: (not quiet if rng.random() < 0.08 else quiet) for name, quiet in calm.items()}
        accuracy = 0.5 - 0.4 * ((i // 30) % 2)
        metrics = sampled(rng, accuracy, 0.9 - accuracy, 32, wrong_pays=2.0)
        for name, quiet in calm.items():
            metrics |= {} if quiet else SICK[name]
        yield metrics


def test_a_restored_run_tells_what_one_never_stopped_tells():
    config = AlarmsConfig(kl_action="lower_rate", kl_lower_every=7, patience=2, reward_hacking_window=20)
    whole, parts = Alarms(config), Alarms(config)
    seen: list[Alarm] = []
    for step, metrics in enumerate(wild(400)):
        stored = json.loads(json.dumps(parts.state()))
        parts = Alarms(config)
        parts.restore(stored)
        expected = whole.check(step, metrics)
        assert parts.check(step, metrics) == expected
        assert parts.metrics() == whole.metrics()
        assert parts.rate_scale == whole.rate_scale
        seen += expected
    assert {alarm.name for alarm in seen} == {rule.name for rule in RULES}


def test_a_restored_run_forgets_alarms_that_were_turned_off():
    alarms = Alarms(AlarmsConfig(patience=1))
    alarms.check(1, sick("kl") | SICK["entropy"])
    restored = Alarms(AlarmsConfig(patience=1, kl=None))
    restored.restore(alarms.state())
    assert "alarm/kl" not in restored.metrics()
    assert restored.metrics()["alarm/entropy"] == 1.0


def test_a_run_with_too_high_a_rate_is_found_out_and_a_healthy_one_is_not():
    """Real iterations on a small model: the metrics that alarms read are those of ReFT."""
    rates = {"healthy": 1e-4, "too high": 0.1}
    names = {}
    for case, lr in rates.items():
        stage = test_reft.make_stage(replace(test_reft.CONFIG, iterations=8, lr=lr))
        # Random models of this size write on until the cap, and there are eight short questions.
        alarms = Alarms(AlarmsConfig(kl=5.0, truncated=None, top_answer=None))
        names[case] = {a.name for i in range(8) for a in alarms.check(i, stage.advance().metrics)}
    assert names["healthy"] == set()
    assert "kl" in names["too high"]


def test_a_lowered_rate_is_what_the_optimiser_uses_and_saves():
    stage = test_reft.make_stage()
    full = stage.advance().metrics["ppo/lr"]
    stage.optimizer.scale = 0.25
    lowered = stage.advance().metrics["ppo/lr"]
    assert lowered == pytest.approx(full / 4)
    restored = test_reft.make_stage()
    restored.optimizer.restore_counters(json.loads(json.dumps(stage.optimizer.counters())))
    assert restored.advance().metrics["ppo/lr"] == lowered
