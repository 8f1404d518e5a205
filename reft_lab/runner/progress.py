"""How far a run is: everything it needs to go on that is not a tensor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from reft_lab.cot import Prompts
from reft_lab.evaluation.score import Score
from reft_lab.methods.base import Cost, Step
from reft_lab.metrics import SAMPLED

EVALUATION = "eval"  # in `Progress.times`: an evaluation, which not every step has
TRAINING = "training"  # in `Progress.seconds`: steps and what is sampled to train on, without evaluation
_BY_THE_CLOCK: dict[str, Any] = {"seconds": {}, "alarms": {}, "times": {}, "peaks": {}, "preflight": None}


@dataclass
class Best:
    """The best evaluation on the selection split so far; its weights are in checkpoints/best.

    Attributes:
        score: how it did, None before the first.
        when: "epoch 3", "iteration 40".
        stage: the kind of prompts that it was asked with.
    """

    score: Score | None = None
    when: str = ""
    stage: Prompts = "rl"

    @property
    def accuracy(self) -> float:
        """Accuracy of the best, below any real one before the first evaluation."""
        return self.score.accuracy if self.score else -1.0


@dataclass
class Chosen:
    """The best evaluation so far by one split, with how the same policy did on both.

    Attributes:
        dev, test: how it did.
        when: as in Best.
    """

    dev: Score
    test: Score
    when: str


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        stage: name of the stage at work.
        warmup: the last evaluation of the warm-up on the selection split.
        latest: the last evaluation on the selection split.
        best: the best one of the stage that picks the final checkpoint.
        chosen: what dev, and what test, would choose by; empty where only one of them is looked at.
        candidates: how many evaluations that was chosen among.
        pending: a step that is done but not recorded, because its evaluation is still to come.
        seconds: wall time of each stage, of evaluation and of training, by name.
        costs: what training took so far, by stage; a pending step is not in it.
        alarms: what the alarms remember.
        peaks: most bytes of memory by phase (memory.peaks).
        preflight: what the preflight of the run expected (run_dir.preflights); None where there was none.
        times: seconds that each part of a step took, by stage and part: their sum, and how often.
        refused: the programs that the sandbox refused: (engine, reason, count).
    """

    stage: str = ""
    warmup: Score | None = None
    latest: Score | None = None
    best: Best = field(default_factory=Best)
    chosen: dict[str, Chosen] = field(default_factory=dict)
    candidates: int = 0
    pending: Step | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    costs: dict[str, Cost] = field(default_factory=dict)
    alarms: dict[str, Any] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)
    preflight: dict[str, Any] | None = None
    times: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    refused: list[tuple[str, str, int]] = field(default_factory=list)

    def add_seconds(self, name: str, seconds: float) -> None:
        """Add to the wall time of a stage."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def add_times(self, stage: str, metrics: Mapping[str, float]) -> None:
        """Add the seconds of a step, and of an evaluation after it, by their metrics: time/update_seconds."""
        parts = self.times.setdefault(stage, {})
        for name, seconds in metrics.items():
            if found := re.fullmatch(r"time/(\w+)_seconds", name):
                total, count = parts.get(found[1], (0.0, 0))
                parts[found[1]] = [total + seconds, count + 1]

    def add_cost(self, name: str, cost: Cost) -> None:
        """Add to what a stage took."""
        self.costs[name] = self.costs.get(name, Cost()) + cost

    @property
    def cost(self) -> Cost:
        """What all training took so far, a step included that is still to be evaluated."""
        pending = Cost() if self.pending is None else self.pending.cost
        return sum(self.costs.values(), pending)

    def times_as_json(self) -> dict[str, dict[str, float]]:
        """The `speed` of result.json: mean seconds of each part of a step, by stage, how many steps there were, and the
        tokens that one sampled where it did."""
        found = {}
        for stage, parts in self.times.items():
            steps = max(count for name, (_, count) in parts.items() if name != EVALUATION)
            sampled = self.costs.get(stage, Cost()).sampled_tokens / steps
            seconds = {name: total / count for name, (total, count) in parts.items()}
            found[stage] = {"steps": steps} | ({SAMPLED: sampled} if sampled else {}) | seconds
        return found

    def cost_as_json(self) -> dict[str, float]:
        """As result.json has it."""
        return {**asdict(self.cost), "seconds": self.seconds.get(TRAINING, 0.0)}

    def after_step(self) -> dict[str, Any]:
        """As JSON, with a pending step counted as recorded; without what is not the same when a run is repeated."""
        costs = {name: asdict(cost) for name, cost in self.costs.items()}
        if self.pending is not None:
            costs[self.stage] = asdict(self.costs.get(self.stage, Cost()) + self.pending.cost)
        return asdict(self) | {"pending": None, "costs": costs} | _BY_THE_CLOCK

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Progress:
        """What `asdict` made of it for a checkpoint; other keys are ignored."""
        pending = stored["pending"]
        return cls(
            stage=stored["stage"],
            warmup=_score(stored["warmup"]),
            latest=_score(stored["latest"]),
            best=Best(_score(stored["best"]["score"]), stored["best"]["when"], stored["best"]["stage"]),
            chosen={split: _chosen(each) for split, each in stored["chosen"].items()},
            candidates=stored["candidates"],
            pending=None if pending is None else Step(**pending | {"cost": Cost(**pending["cost"])}),
            seconds=stored["seconds"],
            costs={name: Cost(**cost) for name, cost in stored["costs"].items()},
            alarms=stored["alarms"],
            peaks=stored.get("peaks", {}),
            preflight=stored.get("preflight"),
            times=stored.get("times", {}),
            refused=stored["refused"],
        )


def _chosen(stored: dict[str, Any]) -> Chosen:
    dev, test = _score(stored["dev"]), _score(stored["test"])
    assert dev is not None
    assert test is not None
    return Chosen(dev, test, stored["when"])


def _score(stored: dict[str, Any] | None) -> Score | None:
    return None if stored is None else Score(stored["accuracy"], stored["n"], tuple(stored["ci95"]))
