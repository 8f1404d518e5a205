"""What a study prints: one line for each trial that ends, with the best so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from reft_lab.config.wording import shown
from reft_lab.numbers import four
from reft_lab.studies.definition import Definition
from reft_lab.studies.objective import Objective
from reft_lab.text import counted

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


class TrialLines:
    """Prints the progress of a study.

    Attributes:
        best: the best value so far; None with several objectives, or before a trial finished.
    """

    def __init__(self, definition: Definition, say: Callable[[str], None]):
        self._definition, self._say = definition, say
        self._began: dict[int, float] = {}
        self.best: float | None = None

    def begin(self, trials: Sequence[FrozenTrial]) -> None:
        """Say what is searched and how many trials are left."""
        definition = self._definition
        done = sum(trial.state.is_finished() for trial in trials)
        self._note_best(trials)
        space = " ".join(f"{parameter.key}={parameter}" for parameter in definition.space)
        self._say(f"study {definition.name}: {space}")
        waiting = len(trials) - done
        left = counted(len(trials), "trial") if not done else f"{waiting} of {counted(len(trials), 'trial')} left"
        if seeds := len(definition.seeds):
            left += f" on {counted(seeds, 'seed')}: {counted(waiting * seeds, 'run')}"
        at_once = f", {definition.workers} at a time" if definition.workers > 1 else ""
        self._say(f"{left}{at_once}, in {definition.folder}")

    def started(self, number: int) -> None:
        """Note that a trial begins or goes on."""
        self._began[number] = time.monotonic()

    def ended(self, trials: Sequence[FrozenTrial], number: int) -> None:
        """Say how a trial ended."""
        best = self._note_best(trials)
        trial = trials[number]
        took = time.monotonic() - self._began.get(number, time.monotonic())
        ended = sum(each.state.is_finished() for each in trials)
        parts = [f"{ended}/{len(trials)}", f"trial {number}", setting(trial), told(trial, self._definition.objectives)]
        self._say("  ".join([*parts, *([best] if best else []), f"{took:.0f} s"]))

    def _note_best(self, trials: Sequence[FrozenTrial]) -> str | None:
        from optuna.trial import TrialState

        objectives = self._definition.objectives
        finished = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        if len(objectives) > 1 or not finished:
            return None
        best = best_of(finished, objectives[0])
        assert best.value is not None
        self.best = best.value
        return f"best {best.value:.4g} (trial {best.number})"


def best_of(finished: Sequence[FrozenTrial], objective: Objective) -> FrozenTrial:
    """The best finished trial, the earliest where several are equally good."""
    sign = -1 if objective.direction == "maximize" else 1
    return min(finished, key=lambda trial: (sign * (trial.value or 0.0), trial.number))


def setting(trial: FrozenTrial) -> str:
    """The values of a trial for people: `ppo.lam=0.93 reward=exact`."""
    values = {key: four(value) if isinstance(value, float) else shown(value) for key, value in trial.params.items()}
    return " ".join(f"{key}={value}" for key, value in values.items())


def told(trial: FrozenTrial, objectives: Sequence[Objective]) -> str:
    """How a trial ended: `accuracy 0.613`, `pruned at accuracy 0.2`, `failed: out of memory`."""
    from optuna.trial import TrialState

    reason = trial.user_attrs.get("reason")
    if trial.state == TrialState.FAIL:
        return f"failed: {reason}"
    if trial.state == TrialState.PRUNED:
        return f"pruned: {reason}"
    errors = trial.user_attrs.get("standard_error") or [None] * len(objectives)
    return "  ".join(
        f"{objective.metric} {value:.4g}" + (f" ± {error:.2g}" if error is not None else "")
        for objective, value, error in zip(objectives, trial.values or (), errors, strict=False)
    )
