"""The token view: sampled responses over training, token by token."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reft_lab.report.run_charts import spread

STEPS = 24  # at most so many evaluations are in the page
TOKENS = 24_000  # and at most so many tokens, about 50 bytes each
LONGEST = 2_000  # tokens of one response
MEASURES = ("advantage", "kl", "value", "ratio")
MISSING = (
    "The sampled responses of this run have no record of their tokens: it was made by an earlier version, which did "
    "not keep it."
)
NONE = "There are no sampled responses: they are taken from the rollouts of ReFT, at each evaluation."


@dataclass(frozen=True)
class TokenView:
    """The data of the view.

    Attributes:
        content: what tokens.js reads; None where there is nothing to show.
        said: sentences on what is missing or left out.
    """

    content: dict[str, Any] | None
    said: list[str]


def token_view(samples: Iterable[Mapping[str, Any]], warmup_steps: float = 0) -> TokenView:
    """The view of what samples.jsonl holds.

    A long run has more responses than a page can carry: evaluations are left out evenly until the rest fits, and the
    page says so.

    Args:
        samples: the records of samples.jsonl.
        warmup_steps: the step before the first iteration.
    """
    by_step: dict[int, list[dict[str, Any]]] = {}
    seen = 0
    for record in samples:
        seen += 1
        response = _response(record)
        if response is not None and type(record.get("step")) is int:
            by_step.setdefault(record["step"], []).append(response)
    if not by_step:
        return TokenView(None, [MISSING if seen else NONE])
    steps = sorted(by_step)
    chosen = [int(step) for step in spread([float(step) for step in steps], STEPS)]
    while len(chosen) > 2 and sum(_size(by_step[step]) for step in chosen) > TOKENS:
        chosen = [int(step) for step in spread([float(step) for step in steps], len(chosen) - 1)]
    said = []
    if len(chosen) < len(steps):
        said.append(f"{len(chosen)} of {len(steps)} evaluations are shown, evenly spread.")
    kept = {step: _fitting(by_step[step], TOKENS // len(chosen)) for step in chosen}
    if any(len(kept[step]) < len(by_step[step]) for step in chosen):
        said.append("Responses are long, so only the first ones of each evaluation are shown.")
    if any(response["cut"] for responses in kept.values() for response in responses):
        said.append(f"Responses are shown up to {LONGEST:,} tokens.")
    shown = [response for responses in kept.values() for response in responses]
    has_values = any(value is not None for response in shown for value in response["value"])
    measures = [measure for measure in MEASURES if measure != "value" or has_values]
    content = {
        "scales": {measure: _scale(measure, shown) for measure in measures},
        "steps": [{"step": step, "iteration": step - int(warmup_steps), "responses": kept[step]} for step in chosen],
    }
    return TokenView(content, said)


def _response(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """One record as the page has it; None where it has no tokens, or lists that do not fit each other."""
    tokens = record.get("tokens")
    if not isinstance(tokens, Mapping):
        return None
    if "value" not in tokens and isinstance(tokens.get("text"), list):  # without a critic there are none
        tokens = {**tokens, "value": [None] * len(tokens["text"])}
    lists = [tokens.get(name) for name in ("text", *MEASURES)]
    if not all(isinstance(each, list) for each in lists) or len({len(each) for each in lists if each is not None}) != 1:
        return None
    count = len(tokens["text"])
    numbers = {measure: [_number(value) for value in tokens[measure][:LONGEST]] for measure in MEASURES}
    return {
        **{name: _text(record.get(name)) for name in ("id", "question", "answer", "gold", "outcome")},
        "reward": _number(record.get("reward")),
        "text": [str(text) for text in tokens["text"][:LONGEST]],
        **numbers,
        "cut": count > LONGEST,
    }


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _number(value: Any) -> float | None:
    if type(value) not in (int, float) or not math.isfinite(value):
        return None
    return float(f"{value:.3g}")


def _size(responses: list[dict[str, Any]]) -> int:
    return sum(len(response["text"]) for response in responses)


def _fitting(responses: list[dict[str, Any]], tokens: int) -> list[dict[str, Any]]:
    """The first responses that have so many tokens in all, at least one."""
    kept: list[dict[str, Any]] = []
    total = 0
    for response in responses:
        total += len(response["text"])
        if kept and total > tokens:
            break
        kept.append(response)
    return kept


def _scale(measure: str, responses: list[dict[str, Any]]) -> dict[str, float]:
    """Where the colours of a measure have their middle and their ends.

    The ends leave 2 % of the tokens outside, so that a few outliers do not make all others pale. A ratio is compared on
    a log scale around 1. Value is compared with the middle of the rewards that occurred.
    """
    values = [value for response in responses for value in response[measure] if value is not None]
    if measure == "ratio":
        values = [math.log(value) for value in values if value > 0]
        return {"middle": 0.0, "reach": _reach(values, 0.0, 0.02)}
    if measure == "value":
        rewards = [response["reward"] for response in responses if response["reward"] is not None]
        low, high = (min(rewards), max(rewards)) if rewards else (0.0, 1.0)
        middle = (low + high) / 2 if high > low else 0.0
        return {"middle": middle, "reach": _reach(values, middle, 0.1)}
    return {"middle": 0.0, "reach": _reach(values, 0.0, 0.05)}


def _reach(values: list[float], middle: float, least: float) -> float:
    distances = sorted(abs(value - middle) for value in values)
    if not distances:
        return least
    return max(least, float(f"{distances[int(0.98 * (len(distances) - 1))]:.2g}"))
