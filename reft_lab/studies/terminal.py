"""What a study prints: one line for each trial that ends, with the best so far, and those under way below.

Where there is no terminal, a line a minute stands for these.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from reft_lab.config.wording import shown
from reft_lab.numbers import four, per_cent
from reft_lab.run_dir.files import METRICS
from reft_lab.run_dir.progress import read_doing
from reft_lab.run_dir.reading import last_line
from reft_lab.studies.definition import Definition
from reft_lab.studies.objective import ACCURACY, Objective
from reft_lab.text import counted

SECONDS_BETWEEN_LINES = 60.0

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial
    from rich.console import Group


class TrialLines:
    """Prints the progress of a study.

    Attributes:
        best: the best value so far; None with several objectives, or before a trial finished.
    """

    def __init__(self, definition: Definition, say: Callable[[str], None]):
        self._definition, self._say = definition, say
        self._began: dict[int, float] = {}  # when each of the trials under way did
        self._said_at = time.monotonic()
        self._is_live = False
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

    def put_back(self, number: int) -> None:
        """Note that nobody works on a trial for now."""
        self._began.pop(number, None)

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Inside, a terminal shows the trials under way below what is printed."""
        if not sys.stdout.isatty():
            yield
            return
        from rich.console import Console
        from rich.live import Live

        console = Console(highlight=False, soft_wrap=True)
        with Live(console=console, get_renderable=self._below, refresh_per_second=2, transient=True):
            self._is_live = True
            try:
                yield
            finally:
                self._is_live = False

    def look(self) -> None:
        """Say what the trials under way do, where nothing shows it and it is time again."""
        now = time.monotonic()
        if self._is_live or now - self._said_at < SECONDS_BETWEEN_LINES:
            return
        self._said_at = now
        for line in self.running():
            self._say(line)

    def running(self) -> list[str]:
        """A line for each trial of this sweep that is under way: how far its run is, and its value so far."""
        return [self._running(number) for number in sorted(self._began)]

    def _running(self, number: int) -> str:
        folder = self._definition.folder / str(number)
        runs = [(doing, run) for run in (folder, *folder.glob("seed-*")) if (doing := read_doing(run)) is not None]
        if not runs:
            return f"trial {number}: starting"
        doing, run = max(runs, key=lambda each: each[0].time)
        which = f"trial {number}" + ("" if run == folder else f", {run.name.replace('-', ' ')}")
        return ", ".join([f"{which}: {doing.at(datetime.now(UTC))}", *self._so_far(run, doing.numbers)])

    def _so_far(self, run: Path, numbers: Mapping[str, float]) -> Iterator[str]:
        """The values of a run so far; its accuracy on the split that picks its checkpoint."""
        line = last_line(run / METRICS)[0] or {}
        for objective in self._definition.objectives:
            if objective.metric == ACCURACY:
                yield from (f"{split} {per_cent(numbers[split])} %" for split in ("dev", "test") if split in numbers)
            elif isinstance(value := line.get(objective.metric), int | float):
                yield f"{objective.metric} {value:.4g}"

    def _below(self) -> Group:
        from rich.console import Group
        from rich.text import Text

        return Group(*(Text(line, "dim", no_wrap=True, overflow="ellipsis") for line in self.running()))

    def ended(self, trials: Sequence[FrozenTrial], number: int) -> None:
        """Say how a trial ended."""
        best = self._note_best(trials)
        trial = trials[number]
        now = time.monotonic()
        took = now - self._began.pop(number, now)
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
