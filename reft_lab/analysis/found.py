"""One run as a source tells of it, whatever the source; the frame is made of these."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from reft_lab.analysis.place import Place

RUNNING, FINISHED, FAILED, INTERRUPTED, PRUNED = "running", "finished", "failed", "interrupted", "pruned"
CRASHED, DAMAGED = "crashed", "damaged"
STATUSES = (FINISHED, FAILED, INTERRUPTED, PRUNED)  # what a run says of itself, in result.json and in W&B's summary
STATES = (RUNNING, *STATUSES, CRASHED, DAMAGED)

Line = Mapping[str, Any]


def nothing() -> Iterator[Line]:
    """No lines."""
    return iter(())


@dataclass(frozen=True)
class Found:
    """One run.

    Attributes:
        run: its id, unique within what is loaded.
        source: `directory`, `offline` or `wandb`.
        state: one of STATES.
        reason: one sentence on why it is in that state; None where there is nothing to say.
        config: its config, flat: `ppo.kl_coef`.
        result: as result.json; whatever is not there is left out.
        started: when, UTC.
        step: the last step it recorded.
        seconds: how long it has been recording.
        directory: the run directory, where there is one.
        place: where it stands among others.
        history: reads its steps, each with `step` and its metrics.
        samples: reads its sampled responses.
        predictions: reads its predictions on the test split.
    """

    run: str
    source: str
    state: str
    reason: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    started: datetime | None = None
    step: int | None = None
    seconds: float | None = None
    directory: Path | None = None
    place: Place = field(default_factory=Place)
    history: Callable[[], Iterator[Line]] = nothing
    samples: Callable[[], Iterator[Line]] = nothing
    predictions: Callable[[], Iterator[Line]] = nothing

    @property
    def confirm(self) -> str | None:
        """Side of the comparison after a search that it belongs to, as in Place; None for all other runs."""
        told = self.config.get("study.confirms")
        return self.place.confirm if told is None else str(told)
