"""The signals that stop a run, in every phase of it: it stops in good order, says how to go on, and loses nothing."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shlex
import signal
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

import pytest

from reft_lab.errors import Interrupted
from reft_lab.runner.interruption import TOGETHER, Interruption
from reft_lab.signals import STOPS
from tests.runner.leftovers import assert_same, result_of
from tests.runner.processes import Run, Session, descendants, is_alive
from tests.runner.small_runs import finish
from tests.tracking.wandb_files import exit_code, history

COMMON = (
    "data.train_size=96",
    "tracker.report=false",
    "data.dev_size=16",
    "data.test_size=16",
    "warmup.epochs=2",
    "ppo.iterations=3",
    "ppo.rollouts=32",
    "ppo.mini_batch=8",
    "ppo.max_new_tokens=32",
    "ppo.eval_every=1",
)
ALONE = (*COMMON, "tracker=none", "baseline=null")


def go_on_command(session: Session) -> str:
    """The command that the run printed at its end."""
    (found,) = re.findall(r"^interrupted; go on with: (.*)$", session.output, re.MULTILINE)
    return found


def check_interrupted(stopped: Run, session: Session, number: signal.Signals) -> None:
    assert session.wait(60) == 128 + number
    assert "Traceback" not in session.output
    assert (stopped.result["status"], stopped.result["reason"]) == ("interrupted", f"stopped by {number.name}")
    assert not (stopped.path / ".lock").exists()
    assert not (stopped.path / ".reserve").exists()


def test_a_run_that_is_stopped_in_every_phase_ends_as_if_it_had_not_been(repo: Path, tmp_path: Path) -> None:
    """By each signal that stops a run, to the process or to its whole group."""
    options = (*COMMON, "tracker.wandb=offline", "baseline=null")
    whole = tmp_path / "whole" / "run"
    finish(whole, *options)
    stopped = Run(repo, tmp_path / "stopped", *options)
    steps = []
    phases = ("training", "sampling", "updating", "evaluating", "final")
    stops = [
        (signal.SIGINT, True),
        (signal.SIGTERM, True),
        (signal.SIGUSR1, False),
        (signal.SIGHUP, True),
        (signal.SIGUSR2, True),
    ]
    for least, (phase, (number, whole_group)) in enumerate(zip(phases, stops, strict=True)):
        session = stopped.start()
        session.until(lambda least=least: stopped.step >= least)
        session.until_at(phase)
        session.send(number, whole_group=whole_group)
        check_interrupted(stopped, session, number)
        steps.append(stopped.step)
        check_curve(stopped, 1)
        assert go_on_command(session).split()[-1] == "resume=run"
    assert steps[0] < 12 < steps[1] < steps[4]
    stopped.finish()
    assert_same(whole, stopped.path)
    check_curve(stopped, 0)


def check_curve(stopped: Run, code: int) -> None:
    """W&B has every step once, and was closed."""
    (curve,) = (stopped.path / "wandb").glob("offline-run-*")
    assert history(curve) == stopped.metrics
    assert exit_code(curve) == code


def test_a_run_that_is_stopped_while_it_waits_for_its_baseline(repo: Path, tmp_path: Path) -> None:
    options = (*COMMON, "tracker=none", "baseline=sft", "ppo.iterations=1", "sft.epochs=20", "sft.eval_every=20")
    options = tuple(word for word in options if word != "ppo.iterations=3")
    stopped = Run(repo, tmp_path, *options)
    session = stopped.start()
    session.until_at("waiting for the baseline")
    recorded = stopped.path / "baseline_sft" / "metrics.jsonl"
    session.until(lambda: recorded.exists() and recorded.stat().st_size)
    session.send(signal.SIGTERM, whole_group=False)
    check_interrupted(stopped, session, signal.SIGTERM)
    baseline = result_of(stopped.path / "baseline_sft")
    assert (baseline["status"], baseline["reason"]) == ("interrupted", "stopped by SIGTERM")
    stopped.finish()
    assert stopped.result["baseline_sft"]["test"]["n"] == 16


def test_the_command_that_is_printed_goes_on(repo: Path, tmp_path: Path) -> None:
    """Also where the folder has a name that shells and Hydra would take for something else."""
    stopped = Run(repo, tmp_path, *ALONE, path=tmp_path / "my 'first' run, $HOME=(1)")
    session = stopped.start()
    session.until_at("training")
    session.press_ctrl_c()
    check_interrupted(stopped, session, signal.SIGINT)
    again = stopped.shell(go_on_command(session))
    assert again.wait() == 0, again.output
    assert stopped.result["status"] == "finished"


def test_the_step_at_work_is_finished_and_not_done_again(repo: Path, tmp_path: Path) -> None:
    stopped = Run(repo, tmp_path, *ALONE, "checkpoint.every=1000")
    session = stopped.start()
    session.until(lambda: stopped.step > 12)
    session.until_at("updating")
    before = stopped.step
    session.press_ctrl_c()
    check_interrupted(stopped, session, signal.SIGINT)
    assert "stopping after this step; Ctrl-C again stops at once." in session.output
    assert stopped.step == before + 1
    again = stopped.start()
    again.until(lambda: "going on with" in again.output)
    assert f"after step {before + 1}" in again.output
    again.kill()


def test_a_second_ctrl_c_stops_at_once(repo: Path, tmp_path: Path) -> None:
    """A step that takes a minute is not finished; what was saved before is there."""
    slow = Run(
        repo, tmp_path, *COMMON[:5], "tracker=none", "baseline=sft", "ppo.rollouts=20000", "ppo.mini_batch=20000"
    )
    session = slow.start()
    session.until_at("sampling")
    session.until(lambda: slow.step >= 12)
    session.press_ctrl_c()
    session.until(lambda: "Ctrl-C again stops at once" in session.output)
    assert session.is_running
    pressed = time.monotonic()
    session.press_ctrl_c()
    check_interrupted(slow, session, signal.SIGINT)
    assert time.monotonic() - pressed < 10  # on a busy machine; it takes one second
    assert go_on_command(session).split()[-1] == "resume=run"
    again = slow.start()
    again.until(lambda: "going on with" in again.output)
    assert "after step 12" in again.output
    again.kill()


@pytest.mark.parametrize("number", STOPS)
def test_while_it_loads_a_run_ends_quietly_and_leaves_nothing(
    repo: Path, tmp_path: Path, number: signal.Signals
) -> None:
    stopped = Run(repo, tmp_path, *ALONE)
    session = stopped.start()
    session.until_at("loading")
    session.send(number, whole_group=number == signal.SIGINT)
    assert session.wait(60) == 128 + number
    assert "Traceback" not in session.output
    assert not stopped.path.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_study_that_is_stopped_says_so_too(repo: Path, tmp_path: Path, number: signal.Signals) -> None:
    study = Run(repo, tmp_path, *ALONE, path=tmp_path / "study" / "0")
    session = study.command("-m", "seed=0,1", f"hydra.sweep.dir={tmp_path / 'study'}", *ALONE)
    session.until(lambda: study.step >= 1)
    session.send(number, whole_group=True)
    check_interrupted(study, session, number)
    assert go_on_command(session).split()[-1] == "resume=study/0"
    assert not (tmp_path / "study" / "1").exists()


def test_a_warning_to_every_process_of_a_job_stops_the_run_alone(repo: Path, tmp_path: Path) -> None:
    """As Slurm sends it: the baseline, W&B's service and the program workers live on until the state is saved."""
    options = [word for word in COMMON if not word.startswith("ppo.iterations=")]
    options += ["ppo.iterations=1000", "tracker.wandb=offline", "baseline=sft", "sft.epochs=1000"]
    stopped = Run(repo, tmp_path, *options)
    session = stopped.start()
    session.until(lambda: stopped.step >= 12 and (stopped.path / "baseline_sft" / "metrics.jsonl").exists())
    session.until_at("sampling", "updating")
    others = descendants(session.pid)
    assert len(others) >= 3
    for pid in (*others, session.pid):
        os.kill(pid, signal.SIGUSR1)
    check_interrupted(stopped, session, signal.SIGUSR1)
    assert "a second signal stops at once" in session.output
    assert "W&B stopped" not in session.output
    check_curve(stopped, 1)
    baseline = result_of(stopped.path / "baseline_sft")
    assert (baseline["status"], baseline["reason"]) == ("interrupted", "stopped by SIGTERM")
    assert (stopped.path / "checkpoints" / "last").exists()
    deadline = time.monotonic() + 20  # W&B's service takes its time to end
    while any(map(is_alive, others)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(is_alive, others))


def test_under_nohup_a_dropped_connection_stops_nothing(repo: Path, tmp_path: Path) -> None:
    run_on = Run(repo, tmp_path, *ALONE)
    words = shlex.join([sys.executable, str(repo / "run.py"), f"hydra.run.dir={run_on.path}", *ALONE])
    session = run_on.shell(f"nohup {words}")
    session.until(lambda: run_on.step >= 1)
    session.send(signal.SIGHUP, whole_group=True)
    assert session.wait(120) == 0, session.output
    assert run_on.result["status"] == "finished"


def test_a_run_whose_terminal_is_gone_saves_its_state(repo: Path, tmp_path: Path) -> None:
    """Its terminal hangs up: writing there fails from now on."""
    lost = Run(repo, tmp_path, *ALONE, f"hydra.run.dir={tmp_path / 'run'}")
    ours, theirs = os.openpty()
    script = [sys.executable, str(repo / "run.py"), f"hydra.run.dir={lost.path}", *ALONE]
    process = subprocess.Popen(
        script,
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    threading.Thread(target=_read_all, args=(ours,), daemon=True).start()
    end = time.monotonic() + 100
    while lost.step < 13:
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    os.close(ours)
    assert process.wait(60) == 128 + signal.SIGHUP
    assert (lost.result["status"], lost.result["reason"]) == ("interrupted", "stopped by SIGHUP")
    assert (lost.path / "checkpoints" / "last").exists()


def _read_all(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(descriptor, 4096):
            pass


def test_no_process_outlives_a_killed_run(repo: Path, tmp_path: Path) -> None:
    """Not even when the kill hits the main process only."""
    killed = Run(repo, tmp_path, *COMMON, "tracker.wandb=offline", "baseline=sft", "sft.epochs=1000")
    session = killed.start()
    session.until(lambda: killed.step >= 2 and (killed.path / "baseline_sft" / "metrics.jsonl").exists())
    others = descendants(session.pid)
    assert len(others) >= 3  # the baseline, W&B's service, a program worker
    os.kill(session.pid, signal.SIGKILL)
    end = time.monotonic() + 60
    while any(map(is_alive, others)):
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_scheduler_s_signal_that_is_handed_on_as_well_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """It reaches a run itself and the process that started it; Ctrl-C pressed twice is meant."""
    said: list[str] = []
    with Interruption(said.append) as interruption, interruption.unbroken():
        os.kill(os.getpid(), signal.SIGUSR2)
        os.kill(os.getpid(), signal.SIGTERM)
        assert (interruption.asked, interruption.at_once, len(said)) == (signal.SIGUSR2, False, 1)
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + TOGETHER)
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGTERM)
    with Interruption(said.append) as interruption, interruption.unbroken():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGINT)
    assert interruption.at_once
