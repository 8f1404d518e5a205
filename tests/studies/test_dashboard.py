"""optuna-dashboard opens the journal of a study by its path, and shows the pages and samples of its trials."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.error import URLError

import pytest
from optuna.artifacts import get_all_artifact_meta

from reft_lab.studies.artifacts import FOLDER
from reft_lab.studies.from_config import JOURNAL
from reft_lab.studies.storage import open_storage, open_study
from reft_lab.studies.study import run_study
from tests.studies.stand_in import definition_in, stand_in


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stand_in(tmp_path, monkeypatch.setattr)
    return tmp_path


def shown(journal: Path) -> tuple[list[dict], dict, str]:
    """What the dashboard shows of a file, asked as its page asks: studies, trials of the first, a page of trial 1."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("optuna-dashboard")
    command = [str(program), str(journal), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--artifact-dir", str(journal.with_name(FOLDER))]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=dict(os.environ))
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                found = json.loads(asked(port, "api/studies"))["study_summaries"]
                number = found[0]["study_id"]
                study = json.loads(asked(port, f"api/studies/{number}"))
                trial = study["trials"][1]
                page = next(each for each in trial["artifacts"] if each["mimetype"] == "text/html")
                return found, study, asked(port, f"artifacts/{number}/{trial['trial_id']}/{page['artifact_id']}")
            except URLError:
                assert server.poll() is None, server.stderr.read().decode()
                assert time.monotonic() < deadline
                time.sleep(0.2)
    finally:
        server.terminate()
        server.communicate(timeout=20)


def asked(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
        return answer.read().decode()


def test_the_journal_opens_in_optuna_dashboard(folder):
    definition = definition_in(folder, trials=2)
    run_study(definition, print)
    (study,), whole, page = shown(definition.folder / JOURNAL)
    assert study["study_name"] == "search"
    assert [direction.lower() for direction in study["directions"]] == ["maximize"]
    assert [[each["filename"] for each in trial["artifacts"]] for trial in whole["trials"]] == [
        ["report.html", "samples.jsonl"]
    ] * 2
    assert page == "<p>of trial 1"


def test_the_last_samples_are_kept_without_their_tokens(folder):
    definition = definition_in(folder, trials=1, seeds=(3, 4))
    run_study(definition, print)
    storage = open_storage(definition.storage)
    (trial,) = open_study(definition, storage).get_trials()
    kept = {each.filename: each.artifact_id for each in get_all_artifact_meta(trial, storage=storage)}
    assert sorted(kept) == ["report-seed-3.html", "report-seed-4.html", "samples-seed-3.jsonl", "samples-seed-4.jsonl"]
    lines = (definition.folder / FOLDER / kept["samples-seed-3.jsonl"]).read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"step": 2, "response": "r", "reward": 1.0}] * 2
