"""What a run is called in W&B: the tags by which runs are filtered, and what its metrics are plotted against."""

from __future__ import annotations

import hashlib
from typing import Any

from reft_lab.config.schema import Config
from reft_lab.methods import METHODS
from reft_lab.metrics import UP, headlines

LONGEST_TAG = 64  # characters; W&B refuses longer ones
PRUNED = "pruned"
CONFIRMS = "confirms"
STEP = "step"


def tags(config: Config) -> list[str]:
    """The tags of a run, KIND:VALUE each as docs/wandb.md lists them, and the user's own behind them."""
    method = METHODS[config.method]
    study = config.study.name or config.tracker.group
    labels = [f"study:{study}"] if study else []
    labels += [f"method:{config.label}"] if config.label else []
    labels += [f"stage:{stage.name}" for stage in method.stages_of(config)]
    labels += [f"model:{config.model.name}", f"data:{config.data.name}", f"cot:{config.cot.name}"]
    labels += [f"reward:{config.reward.function}"] if "rollout" in method.records else []
    labels += [CONFIRMS] if config.study.confirms else []
    return list(dict.fromkeys(shortened(tag) for tag in [*labels, *config.tracker.tags] if tag))


def shortened(tag: str) -> str:
    """`tag`, or where it is too long its beginning and a hash that tells it from others that begin so."""
    if len(tag) <= LONGEST_TAG:
        return tag
    mark = hashlib.sha256(tag.encode()).hexdigest()[:8]
    return f"{tag[: LONGEST_TAG - len(mark) - 1]}~{mark}"


def define_metrics(run: Any) -> None:
    """One axis, `step`, for every metric; the summary of a run has the last of each, and the largest of some.

    Those are the headlines that should rise, which are what runs are judged by.
    """
    run.define_metric(STEP, summary="last")
    run.define_metric("*", step_metric=STEP)
    for metric in headlines():
        if metric.better == UP:
            run.define_metric(metric.name, step_metric=STEP, summary="max,last")
