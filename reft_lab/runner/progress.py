"""How far a run is: everything it needs to go on that is not a tensor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from reft_lab.cot import Prompts
from reft_lab.evaluation.score import Score
from reft_lab.methods.base import Step


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
        seconds: wall time of each stage and of evaluation, by name.
        alarms: what the alarms remember.
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
    alarms: dict[str, Any] = field(default_factory=dict)
    refused: list[tuple[str, str, int]] = field(default_factory=list)

    def add_seconds(self, name: str, seconds: float) -> None:
        """Add to the wall time of a stage."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

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
            pending=None if pending is None else Step(**pending),
            seconds=stored["seconds"],
            alarms=stored["alarms"],
            refused=stored["refused"],
        )


def _chosen(stored: dict[str, Any]) -> Chosen:
    dev, test = _score(stored["dev"]), _score(stored["test"])
    assert dev is not None
    assert test is not None
    return Chosen(dev, test, stored["when"])


def _score(stored: dict[str, Any] | None) -> Score | None:
    return None if stored is None else Score(stored["accuracy"], stored["n"], tuple(stored["ci95"]))
