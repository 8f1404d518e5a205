"""Alarms while ReFT trains: what the metrics of an iteration say about the health of a run.

An alarm begins when its metric has been beyond the limit for some iterations in a row, and is over when it has been
clearly within it for as many. Between the limit and 0.8 of it nothing changes, so a metric that hovers around its limit
is told once. docs/alarms.md describes each alarm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean, variance
from typing import Any

from reft_lab.config.alarms import AlarmsConfig
from reft_lab.numbers import per_cent

Metrics = Mapping[str, float]

WITHIN = 0.8


@dataclass(frozen=True)
class Alarm:
    """An alarm that began, was acted on again, or is over.

    Attributes:
        name: what alarms it, as in `alarm/NAME` and in the option `alarms.NAME`.
        began: False when it is over.
        sentence: what is the matter and what to do, for people.
        action: warn, stop or lower_rate; warn when it is over.
    """

    name: str
    began: bool
    sentence: str
    action: str


@dataclass(frozen=True)
class _Rule:
    """What one alarm measures, what it says of that (with {value} in it), and what it advises to do.

    The limit is the option of its `name`: the largest value that is healthy, or with `at_least` the smallest.
    """

    name: str
    measure: Callable[[Metrics], float]
    says: str
    advice: str
    at_least: bool = False

    def excess(self, value: float, limit: float) -> float:
        """How far `value` is gone: above 1 beyond the limit."""
        if self.at_least:
            return limit / value if value > 0 else math.inf
        return value / limit


def _top_answer(metrics: Metrics) -> float:
    """Share of the most frequent answer, 0 where it may be right for half of those that give it."""
    share = metrics["rollout/top_answer_share"]
    return share if metrics["rollout/accuracy"] < share / 2 else 0.0


RULES = (
    _Rule(
        "kl",
        lambda metrics: metrics["ppo/kl_ref"],
        "the policy is {value:.3g} nats a response away from the reference",
        "raise ppo.kl_coef or lower ppo.lr",
    ),
    _Rule(
        "negative_kl",
        lambda metrics: -metrics["ppo/kl_ref"],
        "the KL to the reference is {value:.3g} nats a response below 0, too far for chance",
        "the responses do not come from the distribution that is scored; do not trust this run",
    ),
    _Rule(
        "first_ratio",
        lambda metrics: metrics.get("ppo/first_ratio_error", 0.0),  # a critic warm-up has none
        "pi / pi_old of a token is off from 1 by {value:.3g} before any step",
        "sampler and update do not compute the same; take trainer.precision=fp32 to see whether it is rounding",
    ),
    _Rule(
        "entropy",
        lambda metrics: metrics["ppo/entropy_response"],
        "the policy is down to {value:.3g} nats of entropy a response, so it samples nearly the same each time",
        "there is little left to learn from; raise ppo.kl_coef, lower ppo.lr, or stop here",
        at_least=True,
    ),
    _Rule(
        "truncated",
        lambda metrics: metrics["rollout/truncated_share"],
        "{share} % of the responses are cut at ppo.max_new_tokens or ppo.total_tokens",
        "raise it, or look in samples.jsonl for responses that do not end",
    ),
    _Rule(
        "reward_hacking",
        lambda metrics: metrics["reward_hacking"],
        "reward rises while accuracy falls, both by {value:.3g} standard errors or more",
        "the policy collects reward without solving problems; compare reward=exact, and read samples.jsonl",
    ),
    _Rule(
        "top_answer",
        _top_answer,
        "{share} % of the responses give the same answer, and most of them are wrong",
        "the policy has stopped reading the question; raise ppo.kl_coef or lower ppo.lr",
    ),
)


class Alarms:
    """All alarms of a run.

    Attributes:
        rate_scale: factor on the learning rate; below 1 after `alarms.kl_action=lower_rate` has acted.
    """

    def __init__(self, config: AlarmsConfig):
        self.config = config
        self.rate_scale = 1.0
        limits = {rule: getattr(config, rule.name) for rule in RULES}
        self._limits: dict[_Rule, float] = {rule: limit for rule, limit in limits.items() if limit is not None}
        self._on: set[str] = set()
        self._streak: dict[str, int] = {}
        self._window: list[tuple[float, float]] = []
        self._lowered_at: int | None = None

    def check(self, step: int, metrics: Metrics) -> list[Alarm]:
        """What there is to tell, mostly nothing, of the rollout/ and ppo/ metrics after `step` iterations."""
        self._window.append((metrics["rollout/reward"], metrics["rollout/accuracy"]))
        del self._window[: -self.config.reward_hacking_window]
        measured = {**metrics, "reward_hacking": self._divergence()}
        told = (self._check(rule, step, rule.measure(measured)) for rule in self._limits)
        return [alarm for alarm in told if alarm is not None]

    def metrics(self) -> dict[str, float]:
        """alarm/NAME of every alarm that has a limit: 1 while it lasts, else 0."""
        return {f"alarm/{rule.name}": float(rule.name in self._on) for rule in self._limits}

    def state(self) -> dict[str, Any]:
        """All there is to save, as JSON."""
        return {
            "on": sorted(self._on),
            "streak": dict(self._streak),
            "window": [list(pair) for pair in self._window],
            "rate_scale": self.rate_scale,
            "lowered_at": self._lowered_at,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave. An alarm that has no limit any more is forgotten."""
        names = {rule.name for rule in self._limits}
        self._on = set(state["on"]) & names
        self._streak = {name: count for name, count in state["streak"].items() if name in names}
        self._window = [(reward, accuracy) for reward, accuracy in state["window"]]
        self.rate_scale, self._lowered_at = state["rate_scale"], state["lowered_at"]

    def _action(self, rule: _Rule) -> str:
        action: str = getattr(self.config, f"{rule.name}_action")
        return action

    def _check(self, rule: _Rule, step: int, value: float) -> Alarm | None:
        excess = rule.excess(value, self._limits[rule])
        on = rule.name in self._on
        turning = excess < WITHIN if on else excess > 1
        self._streak[rule.name] = self._streak.get(rule.name, 0) + 1 if turning else 0
        if self._streak[rule.name] >= self.config.patience:
            self._streak[rule.name] = 0
            self._on ^= {rule.name}
            on = not on
            if not on:
                return Alarm(rule.name, False, f"iteration {step}: alarm {rule.name} is over.", "warn")
            self._lower_if_due(rule, step)
            return self._began(rule, step, value)
        if on and excess > 1 and self._lower_if_due(rule, step):
            return self._began(rule, step, value)
        return None

    def _began(self, rule: _Rule, step: int, value: float) -> Alarm:
        action, done = self._action(rule), ""
        if action == "stop":
            done = " The run stops."
        elif action == "lower_rate":
            done = f" The learning rate is {self.rate_scale:.3g} of ppo.lr from now on."
        what, limit = (
            rule.says.format(value=value, share=per_cent(value, 0)),
            f"alarms.{rule.name}={self._limits[rule]:g}",
        )
        sentence = f"iteration {step}: alarm {rule.name}: {what} ({limit}); {rule.advice}.{done}"
        return Alarm(rule.name, True, sentence, action)

    def _lower_if_due(self, rule: _Rule, step: int) -> bool:
        """Halve the rate if that is the action of the alarm, it is time again, and the floor is not reached."""
        due = self._lowered_at is None or step - self._lowered_at >= self.config.kl_lower_every
        if self._action(rule) != "lower_rate" or not due or self.rate_scale <= self.config.kl_lower_to:
            return False
        self.rate_scale = max(self.rate_scale / 2, self.config.kl_lower_to)
        self._lowered_at = step
        return True

    def _divergence(self) -> float:
        """By how many standard errors reward has risen and accuracy has fallen, the lesser of the two.

        Compared are the means of the halves of the window, which counts as soon as it is half full, with the standard
        error of their difference from the variance within them; a trend within a half makes it larger, so the test errs
        on the side of silence.
        """
        if len(self._window) < self.config.reward_hacking_window // 2:
            return 0.0
        rewards, accuracies = zip(*self._window, strict=True)
        return min(_rise(rewards), -_rise(accuracies))


def _rise(values: tuple[float, ...]) -> float:
    """The mean of the later half of the values minus that of the earlier, in standard errors."""
    half = len(values) // 2
    before, after = values[:half], values[-half:]
    change = fmean(after) - fmean(before)
    error = math.sqrt((variance(before) + variance(after)) / half)
    if error == 0:
        return math.copysign(math.inf, change) if change else 0.0
    return change / error
