"""The budget of a run: what its training may take in all, over all stages."""

from __future__ import annotations

from reft_lab.config.running import BudgetConfig
from reft_lab.methods.base import Stage
from reft_lab.runner.progress import TRAINING, Progress


class Budget:
    """Says when a run has taken as much as it may.

    Attributes:
        ended: the limit that ended a stage before its last step, `budget.tokens=20000`; None where none did.
    """

    def __init__(self, config: BudgetConfig, progress: Progress):
        self._config = config
        self._progress = progress
        self.ended: str | None = None

    @property
    def reached(self) -> str | None:
        """The limit that training has reached, a step included that is still to be evaluated; None: none yet."""
        limits = (
            ("tokens", self._config.tokens, lambda: self._progress.cost.tokens),
            ("seconds", self._config.seconds, lambda: self._progress.seconds.get(TRAINING, 0.0)),
        )
        found = (f"budget.{name}={limit}" for name, limit, taken in limits if limit is not None and taken() >= limit)
        return next(found, None)

    def spent(self) -> float | None:
        """How much of it is used, from 0 to 1: of the limit that is nearest; None without one."""
        tokens, seconds = self._config.tokens, self._config.seconds
        used = [] if tokens is None else [self._progress.cost.tokens / tokens]
        used += [] if seconds is None else [self._progress.seconds.get(TRAINING, 0.0) / seconds]
        return min(1.0, max(used)) if used else None

    def end(self, stage: Stage, label: str) -> str | None:
        """A sentence where the budget has ended a stage, which the run calls `label`, before its last step."""
        limit = self.reached
        if limit is None or stage.done:
            return None
        self.ended = limit
        if not stage.step:
            return f"{limit} left nothing for {label}, which did none of its {stage.total_steps} {stage.kind.unit}."
        done = f"{stage.step} of {stage.total_steps} {stage.kind.unit}"
        return f"{label} ended after {done}, where {limit} was reached."
