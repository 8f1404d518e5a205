"""After a search: the winner and the setting it began with, on seeds that no trial used."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from reft_lab.analysis import load
from reft_lab.analysis.changes import Change, Results, change_of
from reft_lab.analysis.problems import Answered, answered
from reft_lab.analysis.statistics import ENOUGH
from reft_lab.compose.words import as_text
from reft_lab.numbers import interval_in_points, per_cent, points
from reft_lab.run_dir import disk
from reft_lab.run_dir.files import RESULT
from reft_lab.run_dir.reading import read_object
from reft_lab.studies.definition import Definition
from reft_lab.studies.run_outcome import RunOutcome
from reft_lab.studies.terminal import best_of, setting
from reft_lab.studies.trial_runs import Execute, words_of

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

FOLDER, FILE = "confirm", "confirm.json"
FRESH = 1000  # the first of the fresh seeds


def confirm(
    trials: Sequence[FrozenTrial], definition: Definition, workers: Sequence[Execute], say: Callable[[str], None]
) -> None:
    """Run both on the same fresh seeds and compare them on the test set, which the search never read.

    Writes confirm.json. Runs that finished in an earlier session are not repeated. Each worker does one run at a time.
    """
    from optuna.trial import TrialState

    finished = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    best = best_of(finished, definition.objectives[0])
    values = definition.first[0] if definition.first else {}  # else: the experiment as it stands
    given = [each for each in definition.space if each.key in values]
    first = tuple(word for each in given for word in each.overrides(values[each.key]))
    if tuple(best.user_attrs["overrides"]) == first:
        say("the best trial is the setting that the search began with; there is nothing to confirm.")
        return
    candidates = range(FRESH, FRESH + definition.confirm + len(definition.seeds))
    seeds = [seed for seed in candidates if seed not in definition.seeds][: definition.confirm]
    sides = {f"trial-{best.number}": tuple(best.user_attrs["overrides"]), "first": first}
    say(f"confirming trial {best.number} ({setting(best)}) on {len(seeds)} fresh seeds")
    jobs = []
    for name, words in sides.items():
        marks = (f"study.name={as_text(definition.name)}", f"study.confirms={name}")  # of the study, none of its trials
        for seed in seeds:
            jobs.append((definition.folder / FOLDER / name / f"seed-{seed}", words_of(definition, words, seed) + marks))
    for outcome in _done(jobs, workers):
        if outcome.status != "finished":
            say(f"not confirmed: {outcome.reason}")
            return
    scores = [_test_accuracy(directory) for directory, _ in jobs]
    accuracies = {name: scores[n * len(seeds) : (n + 1) * len(seeds)] for n, name in enumerate(sides)}
    ours, theirs = accuracies.values()
    answers = [[_answers(directory)] for directory, _ in jobs]
    change = change_of(
        Results(dict(zip(seeds, ours, strict=True)), dict(zip(seeds, answers[: len(seeds)], strict=True))),
        Results(dict(zip(seeds, theirs, strict=True)), dict(zip(seeds, answers[len(seeds) :], strict=True))),
    )
    assert change is not None, "they share their seeds"
    found = {"trial": best.number, "seeds": seeds, "test_accuracy": accuracies, "difference": change.as_json()}
    found |= {"questions": change.questions, "needed": change.needed and str(change.needed)}
    found |= {"refused": change.refused or None}
    disk.replace(definition.folder / FILE, json.dumps(found, indent=2) + "\n")
    say(
        f"on test: {per_cent(statistics.fmean(ours))} % against {per_cent(statistics.fmean(theirs))} % of the first "
        f"setting; {_in_words(change)}"
    )


def _done(jobs: Sequence[tuple[Path, tuple[str, ...]]], workers: Sequence[Execute]) -> list[RunOutcome]:
    """How the runs ended, in order."""
    free: SimpleQueue[Execute] = SimpleQueue()
    for execute in workers:
        free.put(execute)

    def one(job: tuple[Path, tuple[str, ...]]) -> RunOutcome:
        execute = free.get()
        try:
            return execute(*job)
        finally:
            free.put(execute)

    with ThreadPoolExecutor(len(workers), "confirm") as pool:
        return list(pool.map(one, jobs))


def _in_words(change: Change) -> str:
    mean, need = points(change.difference), f" {change.needed}" if change.needed else ""
    if change.refused:
        return change.refused
    if change.seeds < ENOUGH:
        few = "one seed, which says little" if change.seeds == 1 else "two seeds, which give no interval"
        return f"a difference of {mean} points on {few}.{need}"
    shown = f"{mean} points (95 % interval {interval_in_points(change.low, change.high)}, over {change.basis})"
    counts = not change.low <= 0 <= change.high
    return (f"a difference of {shown}." if counts else f"no difference that counts: {shown}.") + need


def _answers(directory: Path) -> Answered:
    (run,) = load(directory).found
    return answered(run.predictions())


def _test_accuracy(directory: Path) -> float:
    result = read_object(directory / RESULT)
    assert result is not None, "only runs that finished are compared"
    return float(result["final"]["test"]["accuracy"])
