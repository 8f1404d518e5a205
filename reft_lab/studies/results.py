"""What a study leaves behind: its trials as a table and for its page, and the best setting as an experiment."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reft_lab.analysis.search import FILE, Dimension, Search, Trial
from reft_lab.analysis.statistics import ENOUGH
from reft_lab.compose.experiment_file import as_file
from reft_lab.installed import command
from reft_lab.run_dir import disk
from reft_lab.studies.definition import Definition
from reft_lab.studies.parameter import Parameter
from reft_lab.studies.terminal import best_of, setting, told
from reft_lab.text import from_here, one_line

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

TABLE, BEST = "study.csv", "best.yaml"


def leave_behind(
    study: Study, trials: Sequence[FrozenTrial], definition: Definition, say: Callable[[str], None]
) -> None:
    """Write study.csv, study.json and best.yaml (one for each trial of the Pareto set), and say where they are."""
    from optuna.trial import TrialState

    write_table(trials, definition)
    finished = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    counts = {state: sum(trial.state == state for trial in trials) for state in TrialState}
    ended = ", ".join(f"{count} {_word(state)}" for state, count in counts.items() if count)
    say(f"study {definition.name}: {ended}")
    if not finished:
        say("no trial finished, so there is no best one.")
        return
    for trial, file in _best(study, finished, definition):
        disk.replace(definition.folder / file, _experiment(trial, definition))
        say(f"best: {setting(trial)}  {told(trial, definition.objectives)}  (trial {trial.number})")
        say(f"      {command()} experiment={from_here(definition.folder / file)}")
    found = _search(trials, definition)
    if len(found.objectives) == 1 and len(found.best) > 1:
        say(f"{len(found.best)} of {len(finished)} trials are equally good; the first of them is called best.")
    say(f"all trials: {from_here(definition.folder / TABLE)}")


def write_report(folder: Path, say: Callable[[str], None]) -> None:
    """Write report.html for the runs in a folder and say where it is; an error in it never fails what is done."""
    from reft_lab.report import study_report

    try:
        say(f"report: {from_here(study_report(folder))}")
    except Exception as error:  # a report must never fail a study that is done
        say(f"no report was written ({one_line(error)}); try `reft report {from_here(folder)}`.")


def write_table(trials: Sequence[FrozenTrial], definition: Definition) -> None:
    """Write study.csv, one row for each trial, and study.json, from which the page is made; both atomically."""
    keys = [parameter.key for parameter in definition.space]
    metrics = [objective.metric for objective in definition.objectives]
    errors = [f"{metric}_standard_error" for metric in metrics] if len(definition.seeds) >= ENOUGH else []
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["trial", "state", *keys, *metrics, *errors, "seconds", "attempts", "reason", "folder"])
    for trial in trials:
        runs = trial.user_attrs.get("runs", [])
        nothing = [None] * len(metrics)
        table.writerow(
            [
                trial.number,
                _word(trial.state),
                *(trial.params.get(key) for key in keys),
                *(trial.values or nothing),
                *((trial.user_attrs.get("standard_error") or nothing) if errors else ()),
                round(sum(run["seconds"] for run in runs), 1),
                sum(run["attempts"] for run in runs),
                trial.user_attrs.get("reason"),
                trial.number,
            ]
        )
    disk.replace(definition.folder / TABLE, text.getvalue())
    disk.replace(definition.folder / FILE, json.dumps(_search(trials, definition).as_json(), indent=1) + "\n")


def _search(trials: Sequence[FrozenTrial], definition: Definition) -> Search:
    from optuna.trial import TrialState

    return Search(
        definition.name,
        definition.sampler.name,
        tuple((objective.metric, objective.direction) for objective in definition.objectives),
        tuple(map(_dimension, definition.space)),
        tuple(
            Trial(
                trial.number,
                _word(trial.state),
                trial.params,
                tuple(trial.values) if trial.state == TrialState.COMPLETE else (),
            )
            for trial in trials
        ),
    )


def _dimension(parameter: Parameter) -> Dimension:
    if parameter.kind == "choice":
        return Dimension(parameter.key, choices=parameter.grid())
    return Dimension(parameter.key, parameter.low, parameter.high, parameter.log, parameter.kind == "int")


def _best(study: Study, finished: Sequence[FrozenTrial], definition: Definition) -> Iterator[tuple[FrozenTrial, str]]:
    """The best trials and the file for each."""
    if len(definition.objectives) == 1:
        yield best_of(finished, definition.objectives[0]), BEST
        return
    for trial in sorted(study.best_trials, key=lambda trial: trial.values):
        yield trial, f"best-{trial.number}.yaml"


def _experiment(trial: FrozenTrial, definition: Definition) -> str:
    about = [
        f"Trial {trial.number} of the study {definition.name}: {told(trial, definition.objectives)}.",
        f"  {command()} experiment={from_here(definition.folder / BEST)}",
    ]
    return as_file([*definition.fixed, *trial.user_attrs["overrides"]], about)


def _word(state: Any) -> str:
    return {"COMPLETE": "finished", "FAIL": "failed"}.get(state.name, state.name.lower())
