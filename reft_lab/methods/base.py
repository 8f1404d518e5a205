"""What a method is made of, in words: its stages, and what they are called wherever people read about them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StageKind:
    """A kind of stage, as it is called on the terminal, in reports, in W&B and in the data frame.

    Attributes:
        name: in checkpoints, result.json and the names of metrics: `warmup`.
        label: for people: `warm-up`.
        unit: what it counts, in the plural: steps, iterations.
        records: sections of metrics that are recorded in this kind of stage only.
    """

    name: str
    label: str
    unit: str
    records: tuple[str, ...]


@dataclass(frozen=True)
class Method:
    """A way to train, as `method=NAME` chooses it.

    Attributes:
        name: the key of METHODS.
        label: for people: `ReFT`.
        stages: what it trains, in order; the last one makes the final policy.
    """

    name: str
    label: str
    stages: tuple[StageKind, ...]

    @property
    def records(self) -> tuple[str, ...]:
        """The sections of metrics that its stages record, `eval/` and `time/` apart."""
        return tuple(section for stage in self.stages for section in stage.records)
