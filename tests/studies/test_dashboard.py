"""optuna-dashboard opens the journal of a study by its path alone."""

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

from reft_lab.studies.from_config import JOURNAL
from reft_lab.studies.study import run_study
from tests.studies.stand_in import definition_in, stand_in


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stand_in(tmp_path, monkeypatch.setattr)
    return tmp_path


def studies(journal: Path) -> list[dict]:
    """What the dashboard shows of a file, asked as its page asks."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("optuna-dashboard")
    command = [str(program), str(journal), "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=dict(os.environ))
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/studies", timeout=10) as answer:
                    return json.load(answer)["study_summaries"]
            except URLError:
                assert server.poll() is None, server.stderr.read().decode()
                assert time.monotonic() < deadline
                time.sleep(0.2)
    finally:
        server.terminate()
        server.communicate(timeout=20)


def test_the_journal_opens_in_optuna_dashboard(folder):
    definition = definition_in(folder, trials=2)
    run_study(definition, print)
    (study,) = studies(definition.folder / JOURNAL)
    assert study["study_name"] == "search"
    assert [direction.lower() for direction in study["directions"]] == ["maximize"]
