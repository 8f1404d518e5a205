"""What a reader of a run's page would wonder about, explained where it stands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from reft_lab.analysis.found import Found
from reft_lab.charts.chart import Curve
from reft_lab.config.wording import shown
from reft_lab.methods import method_of
from reft_lab.methods.sft import SFT, WARMUP
from reft_lab.numbers import plain
from reft_lab.report.curves import Curves

# Settings of a supervised stage that say how closely it fits its training problems.
FITS = ("lr", "schedule", "weight_decay", "batch_size", "loss_average")
ABOVE = 1.02  # times the loss of the warm-up, from which on a reader sees it


@dataclass(frozen=True)
class Last:
    """The last evaluation of a run that chose an earlier checkpoint.

    Attributes:
        label: what was evaluated.
        split: on which problems.
        accuracy: a fraction.
        sentence: why it is told.
    """

    label: str
    split: str
    accuracy: float
    sentence: str


def why_sft_is_above(config: Mapping[str, Any], warmup: Curve, sft: Curve) -> str:
    """Why the training loss of the SFT baseline stays above that of the warm-up; empty where it does not, or where the
    settings of both are the same.

    Args:
        config: of the run, flat.
        warmup, sft: both losses by optimiser step.
    """
    if not warmup or not sft:
        return ""
    end = min(warmup[-1][0], sft[-1][0])
    means = [fmean([y for x, y in curve if end / 2 <= x <= end] or [0.0]) for curve in (warmup, sft)]
    if means[1] <= ABOVE * means[0]:
        return ""
    settings = [(f"{SFT.name}.{name}", f"{WARMUP.name}.{name}") for name in FITS]
    apart = [
        f"{ours}={shown(config.get(ours))} where the {WARMUP.label} has {shown(config.get(theirs))}"
        for ours, theirs in settings
        if config.get(ours) != config.get(theirs)
    ]
    if not apart:
        return ""
    return (
        f"{SFT.label} stays above the {WARMUP.label} because its settings differ: {', '.join(apart)}. A lower rate and "
        "more weight decay fit the training problems less closely; whether that is better, accuracy on problems that "
        "are not trained on tells."
    )


def when_nothing_was_better(run: Found, curves: Curves) -> Last | None:
    """The last evaluation of a run whose chosen checkpoint is its warm-up, so that its result tells of the warm-up
    twice; None for any other run."""
    method = method_of({**run.result, **run.config})
    reached = curves.last("eval/accuracy")
    seam = (curves.first("rollout/reward") or math.inf) - 1
    if run.result.get("chosen") != WARMUP.label or len(method.stages) < 2 or reached is None or reached[0] <= seam:
        return None
    split = str(run.result.get("selection") or "dev")
    iteration = f"{method.last.unit.removesuffix('s')} {plain(reached[0] - seam)}"
    sentence = (
        f"No {iteration.split()[0]} of {method.label} was better on {split} than the {WARMUP.label}, so the checkpoint "
        f"that was chosen is the {WARMUP.label} itself, and its numbers stand twice. The last row is what "
        f"{method.label} ended with; test is read for the chosen checkpoint only."
    )
    return Last(f"{method.label}, {iteration} (not chosen)", split, reached[1], sentence)
