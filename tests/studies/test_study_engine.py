"""Trials are run, tried again, counted and left behind; the runs themselves are stand-ins."""

from __future__ import annotations

import csv
import json
import os
import signal
import threading
import time
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from reft_lab.analysis.search import read_search
from reft_lab.config.sweeps import PrunerConfig, SamplerConfig
from reft_lab.errors import BadInput, Interrupted, RunFailed
from reft_lab.studies.definition import Definition
from reft_lab.studies.liveness import OWNER
from reft_lab.studies.objective import Objective
from reft_lab.studies.parameter import Parameter
from reft_lab.studies.storage import open_storage, open_study
from reft_lab.studies.study import run_study
from reft_lab.studies.trials import Trials
from tests.studies.stand_in import LAMBDA, definition_in, stand_in


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a stand-in for run.py, and this process in it."""
    monkeypatch.chdir(tmp_path)
    stand_in(tmp_path, monkeypatch.setattr)
    return tmp_path


def trials_of(definition: Definition):
    return open_study(definition).get_trials()


def table(definition: Definition) -> list[dict[str, str]]:
    with (definition.folder / "study.csv").open() as file:
        return list(csv.DictReader(file))


def starts(directory: Path) -> list[list]:
    return [json.loads(line) for line in (directory / "starts.txt").read_text().splitlines()]


def test_a_search_from_first_to_last(folder):
    definition, said = definition_in(folder), []
    best = run_study(definition, said.append)
    trials = trials_of(definition)
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 4
    assert trials[0].params == {"ppo.lam": 0.95}  # the setting to begin with
    assert len({trial.params["ppo.lam"] for trial in trials}) == 4
    for trial in trials:
        assert trial.value == pytest.approx(1 - abs(trial.params["ppo.lam"] - 0.9))
    assert best == max(trial.value for trial in trials)
    winner = max(trials, key=lambda trial: trial.value)
    assert yaml.safe_load((definition.folder / "best.yaml").read_text()) == {
        "defaults": [{"override /debug": "quick"}],
        "ppo": {"lam": winner.params["ppo.lam"]},
    }
    rows = table(definition)
    assert [float(row["ppo.lam"]) for row in rows] == [trial.params["ppo.lam"] for trial in trials]
    assert [row["state"] for row in rows] == ["finished"] * 4
    assert sum("  trial " in line for line in said) == 4
    assert said[-1] == "report: multirun/search/report.html"
    found = read_search(definition.folder)
    assert [trial.params for trial in found.trials] == [trial.params for trial in trials]
    assert [trial.values for trial in found.finished] == [tuple(trial.values) for trial in trials]
    assert found.ranked[0].number == winner.number
    assert "What was searched" in (definition.folder / "report.html").read_text()


def test_the_same_command_again_runs_nothing_and_more_trials_go_on(folder):
    definition = definition_in(folder, trials=2)
    run_study(definition, print)
    before = [path.stat().st_mtime_ns for path in sorted(definition.folder.glob("*/result.json"))]
    said = []
    run_study(definition, said.append)
    assert not any("  trial " in line for line in said)
    run_study(replace(definition, trials=3), print)
    after = [path.stat().st_mtime_ns for path in sorted(definition.folder.glob("*/result.json"))]
    assert after[:2] == before
    assert len(after) == 3


def test_draws_do_not_depend_on_workers_or_on_stopping(folder):
    at_once = definition_in(folder, workers=3)
    run_study(at_once, print)
    other = folder / "other"
    step_by_step = definition_in(other, trials=2)
    run_study(step_by_step, print)
    run_study(replace(step_by_step, trials=4), print)
    drawn = [[trial.params for trial in trials_of(d)] for d in (at_once, replace(step_by_step, trials=4))]
    assert drawn[0] == drawn[1]


def test_a_grid_has_every_point_once(folder):
    space = (
        Parameter("ppo.lam", "choice", choices=(0.9, 0.95)),
        Parameter("reward", "choice", choices=("exact", None)),
    )
    definition = definition_in(folder, space=space, trials=4, first=(), sampler=SamplerConfig(name="grid"), workers=2)
    run_study(definition, print)
    points = [tuple(trial.params.values()) for trial in trials_of(definition)]
    assert points == [(0.9, "exact"), (0.9, None), (0.95, "exact"), (0.95, None)]
    assert "reward=null" in starts(definition.folder / "1")[0][2]


@pytest.mark.parametrize("trouble", ["crash", "kill"])
def test_a_run_that_crashed_goes_on(folder, trouble):
    (folder / f"{trouble}-1").write_text("once")
    definition = definition_in(folder)
    run_study(definition, print)
    assert [trial.state.name for trial in trials_of(definition)] == ["COMPLETE"] * 4
    assert [going_on for going_on, *_ in starts(definition.folder / "1")] == [False, True]
    assert trials_of(definition)[1].user_attrs["runs"][0]["attempts"] == 2


@pytest.mark.parametrize(
    ("trouble", "attempts", "reason"), [("crash", 2, "a bug"), ("kill", 2, "SIGKILL"), ("bad", 1, "that cannot be")]
)
def test_a_run_that_keeps_crashing_is_told_with_its_reason_and_the_study_goes_on(folder, trouble, attempts, reason):
    (folder / f"{trouble}-1").write_text("always")
    definition, said = definition_in(folder), []
    run_study(definition, said.append)
    assert [trial.state.name for trial in trials_of(definition)] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert len(starts(definition.folder / "1")) == attempts
    assert reason in table(definition)[1]["reason"]
    assert any("trial 1 " in line and reason in line for line in said)


def test_too_many_failures_end_the_study(folder):
    for number in range(6):
        (folder / f"crash-{number}").write_text("always")
    definition = definition_in(folder, trials=8, retries=0)
    with pytest.raises(RunFailed, match=r"4 of 4 trials failed.*a bug"):
        run_study(definition, print)
    states = [trial.state.name for trial in trials_of(definition)]
    assert states == ["FAIL"] * 4 + ["WAITING"] * 4


def test_gpus_go_to_workers_in_turn(folder):
    definition = definition_in(folder, workers=3, gpus=(4, 6), trials=6)
    run_study(definition, print)
    seen = {starts(definition.folder / str(number))[0][1] for number in range(6)}
    assert seen == {"4", "6"}


def test_runs_of_several_processes_get_sets_of_gpus(folder):
    definition = definition_in(folder, workers=2, gpus=(4, 6, 1, 3), devices=2, trials=4)
    run_study(definition, print)
    assert {starts(definition.folder / str(number))[0][1] for number in range(4)} == {"4,6", "1,3"}


def test_seeds_make_a_mean_with_a_standard_error(folder):
    definition = definition_in(folder, seeds=(0, 1, 2), trials=2)
    run_study(definition, print)
    trial = trials_of(definition)[0]
    assert trial.value == pytest.approx(0.95 - 0.01)
    assert trial.user_attrs["standard_error"] == [pytest.approx(0.01 / 3**0.5)]
    assert (definition.folder / "0" / "seed-2" / "result.json").is_file()
    assert float(table(definition)[0]["accuracy_standard_error"]) == pytest.approx(0.01 / 3**0.5)


def test_two_seeds_have_no_standard_error(folder):
    definition = definition_in(folder, seeds=(0, 1), trials=1)
    run_study(definition, print)
    (trial,) = trials_of(definition)
    assert trial.value == pytest.approx(0.95 - 0.005)
    assert "standard_error" not in trial.user_attrs
    assert "accuracy_standard_error" not in table(definition)[0]


def test_pruning_between_seeds(folder):
    space = (Parameter("ppo.lam", "choice", choices=(0.9, 0.91, 0.92, 0.7, 0.89)),)
    definition = definition_in(
        folder,
        space=space,
        seeds=(0, 1),
        trials=5,
        first=(),
        sampler=SamplerConfig(name="grid"),
        pruner=PrunerConfig(name="median", startup_trials=2),
    )
    run_study(definition, print)
    states = [trial.state.name for trial in trials_of(definition)]
    assert states[:2] == ["COMPLETE", "COMPLETE"]
    assert states[3] == "PRUNED"
    assert not (definition.folder / "3" / "seed-1").exists()


def test_what_was_reported_before_a_stop_is_not_reported_again(folder):
    """A trial that is taken up again goes through its ended seeds once more; Optuna would warn of each."""
    definition = definition_in(folder, seeds=(0, 1, 2), trials=1)
    definition.folder.mkdir(parents=True)
    trials = Trials(definition)
    trial = trials.take()
    trials.suggest(trial)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for value in (0.5, 0.7):
            trials.report(trial, 1, value)
    trials.close()
    assert trials.all()[0].intermediate_values == {1: 0.5}


def test_several_objectives_leave_a_pareto_set(folder):
    objectives = (Objective("accuracy", "maximize"), Objective("ppo/kl_ref", "minimize"))
    definition, said = definition_in(folder, objectives=objectives), []
    assert run_study(definition, said.append) is None
    trials = trials_of(definition)
    assert all(trial.values[1] == pytest.approx(2 * trial.values[0]) for trial in trials)
    files = {path.name for path in definition.folder.glob("best*.yaml")}
    assert files == {f"best-{trial.number}.yaml" for trial in trials}  # accuracy costs KL: all are on the front


def test_winner_and_first_setting_are_compared_on_fresh_seeds(folder):
    definition, said = definition_in(folder, confirm=2, trials=6), []
    run_study(definition, said.append)
    found = json.loads((definition.folder / "confirm.json").read_text())
    best = max(trials_of(definition), key=lambda trial: trial.value)
    assert found["trial"] == best.number
    assert found["seeds"] == [1000, 1001]
    assert found["difference"]["mean"] == pytest.approx(best.value - 0.95)
    assert any("points" in line for line in said)
    for side in (f"trial-{best.number}", "first"):  # told from trials wherever they are recorded
        words = json.loads((definition.folder / "confirm" / side / "seed-1000" / "config.yaml").read_text())
        assert (words["study.name"], words["study.confirms"], words["tracker.group"]) == ("search", side, "search")
        assert "study.trial" not in words


def test_another_definition_is_refused_with_the_difference(folder):
    run_study(definition_in(folder, trials=1), print)
    changed = definition_in(folder, trials=1, space=(replace(LAMBDA, low=0.9),))
    with pytest.raises(BadInput, match=r"space\.ppo\.lam: interval\(0\.8, 1\.0\) -> interval\(0\.9, 1\.0\)"):
        run_study(changed, print)
    run_study(definition_in(folder, trials=2, workers=2, retries=3), print)  # these may change


def test_a_study_of_other_software_is_refused(folder):
    import optuna

    definition = definition_in(folder)
    study = optuna.create_study(storage=open_storage(definition.storage), study_name="search")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    with pytest.raises(BadInput, match="made by other software"):
        run_study(definition, print)


def test_a_trial_of_a_dead_sweep_is_taken_up_again_and_one_of_a_living_is_not(folder):
    from optuna.trial import TrialState

    definition = definition_in(folder, trials=2)
    study = open_study(definition)
    for _ in range(2):
        study.enqueue_trial({})
    for trial_id in (trial._trial_id for trial in study.get_trials()):
        study._storage.set_trial_state_values(trial_id, TrialState.RUNNING)
    mine = {"host": os.uname().nodename, "pid": os.getpid(), "beat": 0}
    began = Path(f"/proc/{os.getpid()}/stat").read_text().rpartition(")")[2].split()[19]
    study._storage.set_trial_user_attr(study.trials[0]._trial_id, OWNER, mine | {"started": "1"})
    study._storage.set_trial_user_attr(study.trials[1]._trial_id, OWNER, mine | {"started": began})
    worker = threading.Thread(target=_run_quietly, args=(definition,), daemon=True)
    worker.start()
    deadline = time.monotonic() + 20
    while not trials_of(definition)[0].state.is_finished() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [trial.state.name for trial in trials_of(definition)] == ["COMPLETE", "RUNNING"]
    study._storage.set_trial_user_attr(study.trials[1]._trial_id, OWNER, None)  # given back
    worker.join(20)
    assert [trial.state.name for trial in trials_of(definition)] == ["COMPLETE", "COMPLETE"]


def _run_quietly(definition: Definition) -> None:
    from reft_lab.studies.process import Stop
    from reft_lab.studies.study import _work, _worker
    from reft_lab.studies.terminal import TrialLines

    stop = Stop()
    trials = Trials(definition)
    _work(trials, TrialLines(definition, print), stop, [_worker(definition, stop, None, 0)])


def test_ctrl_c_stops_the_runs_and_the_same_command_goes_on(folder, monkeypatch):
    monkeypatch.setenv("STAND_IN_SECONDS", "2")
    definition, said = definition_in(folder, trials=2), []
    begun = definition.folder / "0" / "starts.txt"

    def press_ctrl_c() -> None:
        while not begun.exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press_ctrl_c, daemon=True).start()
    with pytest.raises(Interrupted):
        run_study(definition, said.append)
    assert not any(trial.state.is_finished() for trial in trials_of(definition))
    assert any("go on with: python" in line and "sweeps=search" in line for line in said)
    monkeypatch.setenv("STAND_IN_SECONDS", "0")
    run_study(definition, print)
    assert [trial.state.name for trial in trials_of(definition)] == ["COMPLETE"] * 2
    assert [going_on for going_on, *_ in starts(definition.folder / "0")] == [False, True]
