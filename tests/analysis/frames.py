"""Frames in the schema of docs/frame.md, written down by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas

from reft_lab.analysis.found import Found
from reft_lab.analysis.runs import Runs
from reft_lab.text import flatten


def found(run: str, **facts: Any) -> Found:
    """A run with what is given: state, seed, method, reward, accuracies on test, outcomes, options."""
    config = {"seed": facts.get("seed", 0), "method": facts.get("method", "reft"), "selection": "dev"}
    config |= {"model": {"name": "tiny"}, "data": {"name": "arithmetic"}, "cot": {"name": "program"}}
    config |= {"reward": {"function": facts.get("reward", "partial")}}
    scores = {"warmup": facts.get("warmup"), "final": facts.get("test"), "baseline_sft": facts.get("sft")}
    result: dict[str, Any] = {
        stage: None if accuracy is None else {"test": {"accuracy": accuracy, "n": 100, "ci95": [0.0, 1.0]}}
        for stage, accuracy in scores.items()
    }
    result |= {"outcomes": facts["outcomes"]} if "outcomes" in facts else {}
    result |= {"seconds": {"total": facts["seconds"]}} if "seconds" in facts else {}
    state, reason = facts.get("state", "finished"), facts.get("reason")
    settings = flatten(config) | facts.get("config", {})
    return Found(run, "directory", state, reason=reason, config=settings, result=result)


def runs_of(*each: Found, problems: Sequence[str] = ()) -> Runs:
    """These runs, as `load` gives them."""
    return Runs(each, list(problems))


def kl_study() -> Runs:
    """Three seeds of two KL coefficients, one seed of a third, and a run that failed."""
    accuracies = {0.0: (0.2, 0.3, 0.4), 0.01: (0.5, 0.7, 0.6), 0.2: (0.45,)}
    each = [
        found(f"{kl}/{seed}", seed=seed, test=accuracy, warmup=0.1 + kl, config={"ppo.kl_coef": kl})
        for kl, values in accuracies.items()
        for seed, accuracy in enumerate(values)
    ]
    failed = found("failed", seed=7, state="failed", reason="the loss was not a number.", config={"ppo.kl_coef": 0.0})
    return runs_of(*each, failed)


def history(rows: Sequence[tuple[str, int, str, float]]) -> pandas.DataFrame:
    """A long frame as `Runs.history` gives it."""
    return pandas.DataFrame(rows, columns=["run", "step", "metric", "value"])
