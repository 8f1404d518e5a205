"""What a run does when it is over: a report, and a summary for W&B."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

import reft_lab.report
from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.errors import Interrupted, RunFailed
from reft_lab.runner import resume, run
from reft_lab.runner.ending import QUICK, write_report
from reft_lab.tracking.display import Display
from tests.runner.leftovers import result_of

QUICKLY = ("debug=quick", "baseline=null", "tracker=none", "data.train_size=32", "ppo.iterations=1")


def said_by(directory: Path, *overrides: str, going_on: bool = False) -> list[str]:
    """What a run prints."""
    told = io.StringIO()
    config, display = check(compose(*QUICKLY, *overrides)), Display(Console(file=told, soft_wrap=True))
    if going_on:
        resume(config, directory, display=display)
    else:
        run(config, directory, display=display)
    return told.getvalue().splitlines()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    directory = tmp_path_factory.mktemp("runs") / "run"
    return directory, said_by(directory)


def test_the_last_line_of_a_run_names_its_report(finished):
    directory, said = finished
    assert said[-1] == f"report: {directory / 'report.html'}"
    assert said[-2] == f"run directory: {directory}"
    assert "<html" in (directory / "report.html").read_text().lower()


def test_a_report_that_fails_is_one_line_and_no_failure(finished, monkeypatch):
    directory, _ = finished

    def fails(directory: Path) -> Path:
        raise ValueError("no plot\nlike this")

    monkeypatch.setattr(reft_lab.report, "run_report", fails)
    said = said_by(directory, "ppo.iterations=2", going_on=True)
    assert said[-1] == f"no report was written (no plot like this); try `reft report {directory}`."
    assert result_of(directory)["status"] == "finished"
    assert not (directory / "report.html").exists()  # that of the earlier session would tell of another result


def test_a_failed_run_has_a_report_of_what_it_recorded(tmp_path):
    told = io.StringIO()
    config = check(compose(*QUICKLY, "alarms.kl=1e-9", "alarms.negative_kl=1e-9", "alarms.patience=1", "ppo.lr=0.1",
                           "alarms.kl_action=stop", "alarms.negative_kl_action=stop", "ppo.iterations=30"))  # fmt: skip
    with pytest.raises(RunFailed):
        run(config, tmp_path / "run", display=Display(Console(file=told, soft_wrap=True)))
    assert told.getvalue().splitlines()[-1] == f"report: {tmp_path / 'run' / 'report.html'}"


def test_nobody_waits_for_the_report_of_a_run_that_did_not_finish(tmp_path):
    said: list[str] = []
    write_report(tmp_path, said.append, is_finished=False)  # nothing was recorded
    with (tmp_path / "metrics.jsonl").open("wb") as file:
        file.truncate(QUICK + 1)
    write_report(tmp_path, said.append, is_finished=False)
    assert said == []
    assert not (tmp_path / "report.html").exists()


def test_a_second_signal_breaks_off_the_report(tmp_path, monkeypatch):
    def is_interrupted(directory: Path) -> Path:
        raise Interrupted(2)

    monkeypatch.setattr(reft_lab.report, "run_report", is_interrupted)
    with pytest.raises(Interrupted):
        write_report(tmp_path, lambda line: None, is_finished=True)
