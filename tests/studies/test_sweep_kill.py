"""Studies of real runs: killed with all they started, gone on with by two sweeps, pruned, launched by others."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reft_lab.config.sweeps import PrunerConfig
from reft_lab.studies.storage import open_storage, open_study
from tests.studies.stand_in import definition_in
from tests.tracking import wandb_files

REPO = Path(__file__).resolve().parents[2]
SMALL = ["debug=quick", "baseline=null", "data.train_size=24", "eval.dev_limit=8", "eval.test_limit=8"]
SMALL += ["ppo.rollouts=8", "ppo.mini_batch=8", "tracker.wandb=disabled", "tracker.report=false"]


def start(folder: Path, *words: str, deaf_to: signal.Signals | None = None) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(REPO / "run.py"), *words]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=None if deaf_to is None else lambda: signal.signal(deaf_to, signal.SIG_IGN),
    )


def sweep(*more: str) -> list[str]:
    return ["-m", "sweeps=optuna", "ppo.lam=interval(0.9,1)", *SMALL, *more]


def processes_in(folder: Path) -> dict[int, list[str]]:
    """Processes with `folder` in their command line, and its words."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if any(str(folder) in word for word in words):
            found[int(entry.name)] = words
    return found


def runs_of(folder: Path) -> set[int]:
    """Processes of runs in `folder`, the sweep itself left out."""
    return {pid for pid, words in processes_in(folder).items() if "-m" not in words}


def until(is_so, seconds: float = 400.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_warning_to_all_processes_stops_a_study_in_order(tmp_path):
    """As Slurm sends it; a run is told to stop by its study alone, and once.

    What a script starts with `&` is deaf to SIGINT, and so is what that starts.
    """
    study = tmp_path / "multirun" / "optuna"
    words = sweep("sweeps.trials=2", "ppo.iterations=500", "ppo.eval_every=500")
    process = start(tmp_path, *words, deaf_to=signal.SIGINT)
    recorded = study / "0" / "metrics.jsonl"
    until(lambda: recorded.exists() and len(recorded.read_text().splitlines()) > 2)
    runs = runs_of(tmp_path)
    assert runs
    for pid in (*runs, process.pid):
        os.kill(pid, signal.SIGUSR1)
    told, _ = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGUSR1, told
    assert "the study is stopped; go on with: " in told
    assert "Traceback" not in told
    assert json.loads((study / "0" / "result.json").read_text())["status"] == "interrupted"
    assert (study / "0" / "checkpoints" / "last").exists()


def test_killed_with_its_runs_and_gone_on_with_by_two_sweeps(tmp_path):
    study = tmp_path / "multirun" / "optuna"
    first = start(tmp_path, *sweep("sweeps.trials=3", "ppo.iterations=24", "ppo.eval_every=24"))
    # Trial 0 is done, trial 1 has a checkpoint of its warm-up and is at work on its iterations.
    until(lambda: (study / "1" / "metrics.jsonl").exists() and (study / "1" / "checkpoints" / "last").exists())
    until(lambda: len((study / "1" / "metrics.jsonl").read_text().splitlines()) > 4)
    runs = runs_of(tmp_path)
    assert runs
    first.kill()
    first.wait()
    until(lambda: not runs & runs_of(tmp_path), 10)  # a run ends with its sweep
    done = (study / "0" / "result.json").stat().st_mtime_ns
    begun = json.loads((study / "1" / "passport.json").read_text())

    both = [start(tmp_path, *sweep("sweeps.trials=3", "ppo.iterations=24", "ppo.eval_every=24")) for _ in range(2)]
    told = [each.communicate(timeout=240)[0] for each in both]
    assert [each.returncode for each in both] == [0, 0], told

    trials = open_study_in(study).get_trials()
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 3
    assert (study / "0" / "result.json").stat().st_mtime_ns == done
    after = json.loads((study / "1" / "passport.json").read_text())
    assert after["started"] == begun["started"]
    assert after["resumed"]  # it went on from its checkpoint
    for number in range(3):
        lines = (study / str(number) / "metrics.jsonl").read_text().splitlines()
        steps = [json.loads(line)["step"] for line in lines]
        assert steps == list(range(1, len(steps) + 1))
        said = sum(f"  trial {number}  " in text for text in told)
        assert said == (number != 0)
    again = start(tmp_path, *sweep("sweeps.trials=3", "ppo.iterations=24", "ppo.eval_every=24"))
    text, _ = again.communicate(timeout=60)
    assert again.returncode == 0
    assert "0 of 3 trials left" in text


def open_study_in(folder: Path):
    import optuna

    return optuna.load_study(study_name=folder.name, storage=open_storage(f"journal://{folder / 'journal.log'}"))


def test_a_hopeless_run_is_stopped_and_keeps_what_it_has(tmp_path):
    definition = definition_in(tmp_path, pruner=PrunerConfig(name="median", startup_trials=1), trials=3)
    study = open_study(definition)
    for _ in range(2):
        good = study.ask()
        for step in (1, 2, 3):
            good.report(0.9, step)
        study.tell(good, 0.9)
    study.enqueue_trial({})
    study._storage.set_trial_state_values(study.trials[2]._trial_id, _running())
    directory = tmp_path / "run"
    words = [f"study.storage={definition.storage}", "study.name=search", "study.trial=2", f"hydra.run.dir={directory}"]
    small = [word for word in SMALL if not word.startswith("tracker")]
    process = start(tmp_path, *small, *words, "ppo.iterations=3", "ppo.eval_every=1")
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0, text
    result = json.loads((directory / "result.json").read_text())
    assert result["status"] == "pruned"
    assert "after 1 iterations" in result["reason"]
    assert study.trials[2].intermediate_values == {1: pytest.approx(0.0, abs=0.2)}
    assert (directory / "checkpoints" / "last" / "state.safetensors").is_file()
    assert "go on with it nevertheless" in text
    (offline,) = (directory / "wandb").glob("offline-run-*")
    assert wandb_files.exit_code(offline) == 0
    (file,) = offline.glob("*.wandb")
    assert b"pruned" in file.read_bytes()


def _running():
    from optuna.trial import TrialState

    return TrialState.RUNNING


def check_done(study: Path, text: str) -> None:
    assert json.loads((study / "0" / "result.json").read_text())["status"] == "finished"
    (trial,) = open_study_in(study).get_trials()
    assert trial.state.name == "COMPLETE"
    assert trial.user_attrs["runs"][0]["attempts"] == 1
    assert re.search(r"1/1  trial 0  ppo\.lam=", text)


def test_another_launcher_starts_the_runs(tmp_path):
    process = start(tmp_path, *sweep("sweeps.trials=1", "ppo.iterations=1", "hydra/launcher=joblib"))
    text, _ = process.communicate(timeout=180)
    assert process.returncode == 0, text
    check_done(tmp_path / "multirun" / "optuna", text)


def test_a_job_that_is_preempted_is_queued_again_and_its_run_goes_on(tmp_path):
    """submitit's local executor stands for the scheduler; its job gets the signal that Slurm sends, to all of it."""
    words = ["hydra/launcher=submitit_local", "hydra.launcher.timeout_min=60", "checkpoint.every=1000"]
    process = start(tmp_path, *sweep("sweeps.trials=1", "ppo.iterations=40", "ppo.eval_every=40", *words))
    study = tmp_path / "multirun" / "optuna"
    metrics = study / "0" / "metrics.jsonl"
    until(lambda: metrics.exists() and len(metrics.read_text().splitlines()) > 6)
    jobs = [pid for pid, words in processes_in(study).items() if "submitit.core._submit" in words]
    runs = runs_of(study)
    assert jobs
    assert runs
    for pid in (*jobs, *runs):
        os.kill(pid, signal.SIGUSR2)
    text, _ = process.communicate(timeout=180)
    assert process.returncode == 0, text
    check_done(study, text)
    passport = json.loads((study / "0" / "passport.json").read_text())
    (resumed,) = passport["resumed"]
    steps = [json.loads(line)["step"] for line in metrics.read_text().splitlines()]
    assert 6 < resumed["step"] < steps[-1]  # after the step at which it was told, though no checkpoint was due
    assert steps == list(range(1, steps[-1] + 1))
    said = "".join(file.read_text() for file in (study / ".submitit").rglob("*_log.*"))
    assert "this job is preempted" in said
    assert "Requeued job" in said


def test_sigterm_saves_the_runs_and_says_how_to_go_on(tmp_path):
    process = start(tmp_path, *sweep("sweeps.trials=2", "ppo.iterations=200", "ppo.eval_every=200"))
    metrics = tmp_path / "multirun" / "optuna" / "0" / "metrics.jsonl"
    until(lambda: metrics.exists() and len(metrics.read_text().splitlines()) > 4)
    process.send_signal(signal.SIGTERM)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "go on with: python" in text
    assert json.loads((metrics.parent / "result.json").read_text())["status"] == "interrupted"
    assert not runs_of(tmp_path)
