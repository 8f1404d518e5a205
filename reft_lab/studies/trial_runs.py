"""One trial from its values to its end: one run for each seed, repeated where it crashed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reft_lab.analysis.statistics import ENOUGH
from reft_lab.compose.words import as_text
from reft_lab.studies.definition import Definition
from reft_lab.studies.run_outcome import HELD, RunOutcome
from reft_lab.studies.storage import IN_ENVIRONMENT, has_password
from reft_lab.studies.trials import Trials

if TYPE_CHECKING:
    from optuna.trial import Trial

# Does one run, given its directory and its overrides, and says how it ended.
Execute = Callable[[Path, tuple[str, ...]], RunOutcome]


class GivenBack(Exception):
    """A trial was put back into the queue: the sweep is stopping, or another process is still working on the trial."""


def work_on(trial: Trial, trials: Trials, execute: Execute) -> None:
    """Run a trial to its end and report the result to the study.

    Raises:
        GivenBack: the sweep is stopping, or another process is still working on the trial.
    """
    from optuna.trial import TrialState

    definition = trials.definition
    values = trials.suggest(trial)
    words = tuple(word for each in definition.space for word in each.overrides(values[each.key]))
    trials.note(trial, overrides=list(words))
    runs: list[dict[str, Any]] = []
    results: list[tuple[float, ...]] = []
    seeds: tuple[int | None, ...] = definition.seeds or (None,)
    known = {run["seed"]: run for run in trial.user_attrs.get("runs", [])}  # of a sweep that was killed
    first_step = 0
    for seed in seeds:
        folder = str(trial.number) if seed is None else f"{trial.number}/seed-{seed}"
        whole = words_of(definition, words, seed) + _study_words(definition, trial.number, first_step)
        for attempt in range(1, definition.retries + 2):
            outcome = execute(definition.folder / folder, whole)
            record = asdict(outcome) | {"seed": seed, "attempts": attempt, "folder": folder}
            if outcome.status in ("interrupted", HELD):
                trials.give_back(trial)
                raise GivenBack
            if outcome.status in ("finished", "pruned") or outcome.is_final:
                break
        runs.append(record)
        trials.attach(trial, definition.folder / folder)
        if outcome.status != "finished":
            state = TrialState.PRUNED if outcome.status == "pruned" else TrialState.FAIL
            trials.note(trial, runs=runs, reason=outcome.reason)
            trials.tell(trial, state)
            return
        results.append(outcome.values)
        if len(results) < len(seeds) and len(definition.objectives) == 1:
            first_step = known.get(seed, {}).get("last_step") or trials.last_step(trial) + 1
            runs[-1]["last_step"] = first_step
            trials.note(trial, runs=runs)
            if trials.report(trial, first_step, _means(results)[0]):
                trials.note(trial, reason=f"stopped by its study after {len(results)} of {len(seeds)} seeds")
                trials.tell(trial, TrialState.PRUNED)
                return
    trials.note(trial, runs=runs)
    if len(results) >= ENOUGH:
        errors = [statistics.stdev(values) / math.sqrt(len(results)) for values in zip(*results, strict=True)]
        trials.note(trial, standard_error=errors)
    trials.tell(trial, TrialState.COMPLETE, _means(results))


def words_of(definition: Definition, words: tuple[str, ...], seed: int | None) -> tuple[str, ...]:
    """The overrides of a run, except those that make it a trial: of the study, its values, its seed, its W&B group."""
    given = {word.partition("=")[0] for word in definition.fixed}
    fixed = [word for word in definition.fixed if seed is None or not word.startswith("seed=")]
    own = [*definition.flags, *fixed, *words]
    if seed is not None:
        own.append(f"seed={seed}")
    if "tracker.group" not in given:
        own.append(f"tracker.group={as_text(definition.name)}")
    return tuple(own)


def _study_words(definition: Definition, number: int, first_step: int) -> tuple[str, ...]:
    if len(definition.objectives) > 1:
        return ()  # pruning needs a single objective
    return (
        f"study.storage={as_text(IN_ENVIRONMENT if has_password(definition.storage) else definition.storage)}",
        f"study.name={as_text(definition.name)}",
        f"study.trial={number}",
        f"study.first_step={first_step}",
        f"study.objective={as_text(definition.objectives[0].metric)}",
    )


def _means(results: list[tuple[float, ...]]) -> list[float]:
    return [statistics.fmean(values) for values in zip(*results, strict=True)]
