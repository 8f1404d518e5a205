"""Studies in databases: sqlite, and a real PostgreSQL server where one is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reft_lab.errors import BadInput
from reft_lab.studies.storage import IN_ENVIRONMENT, STORAGE, has_password, open_storage, open_study, shown
from reft_lab.studies.study import run_study
from tests.studies.stand_in import definition_in, stand_in

SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stand_in(tmp_path, monkeypatch.setattr)
    return tmp_path


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """The address of a server of our own, which listens on a socket in a folder."""
    if not SERVERS:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed")
        pytest.skip("PostgreSQL is not installed")
    home = tmp_path_factory.mktemp("postgres")
    # The server refuses to run as root, so it gets a user without rights, who must get at the folder.
    user = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    for place in (home, *home.parents[:3]):
        os.chmod(place, 0o755)
    os.chown(home, user.pw_uid, user.pw_gid)

    def server(program: str, *arguments: str) -> None:
        change = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
        subprocess.run([SERVERS[-1] / program, *arguments], check=True, capture_output=True, cwd=home, **change)

    data = str(home / "data")
    server("initdb", "-D", data, "-U", "lab", "--auth=trust", "--no-sync")
    options = f"-k {home} -c listen_addresses='' -c fsync=off"
    server("pg_ctl", "-D", data, "-l", str(home / "log"), "-o", options, "-w", "start")
    yield f"postgresql://lab:secret@/postgres?host={home}"
    server("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    shutil.rmtree(home, ignore_errors=True)


def test_a_study_in_sqlite(folder):
    definition = definition_in(folder, storage=f"sqlite:///{folder}/studies.db", workers=2)
    definition.folder.mkdir(parents=True)
    run_study(definition, print)
    assert [trial.state.name for trial in open_study(definition).get_trials()] == ["COMPLETE"] * 4


def test_a_study_in_postgresql_shared_by_two_sweeps(folder, postgres):
    definition = definition_in(folder, storage=postgres, trials=8)
    definition.folder.mkdir(parents=True)
    script = (
        "import sys; from pathlib import Path; from tests.studies.stand_in import definition_in, stand_in;"
        f"from reft_lab.studies.study import run_study; stand_in(Path({str(folder)!r}), setattr);"
        f"run_study(definition_in(Path({str(folder)!r}), storage={postgres!r}, trials=8), print)"
    )
    repo = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(repo), "STAND_IN_SECONDS": "0.3"}
    sweeps = [
        subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [sweep.communicate(timeout=120)[0] for sweep in sweeps]
    assert [sweep.returncode for sweep in sweeps] == [0, 0]
    trials = open_study(definition).get_trials()
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 8
    assert all(len((definition.folder / str(n) / "starts.txt").read_text().splitlines()) == 1 for n in range(8))
    assert all("  trial " in text for text in told)  # both did some
    seen = "".join(path.read_text() for path in definition.folder.glob("*/config.yaml"))
    assert IN_ENVIRONMENT in seen
    assert "secret" not in seen


def test_passwords_are_not_shown(monkeypatch):
    url = "postgresql://me:secret@nowhere.invalid/db"
    assert has_password(url)
    assert "secret" not in shown(url)
    with pytest.raises(BadInput) as caught:
        open_storage(url)
    assert "secret" not in str(caught.value)
    monkeypatch.setenv(STORAGE, "sqlite://")
    assert open_storage(IN_ENVIRONMENT)


def test_a_torn_line_of_a_journal_is_dropped(folder):
    definition = definition_in(folder, trials=2)
    run_study(definition, print)
    journal = definition.folder / "journal.log"
    whole = journal.read_text()
    journal.write_text(whole + '{"op_code": 4, "worker_id": "x", "tri')
    run_study(definition_in(folder, trials=3), print)
    assert len(open_study(definition_in(folder, trials=3)).get_trials()) == 3
    assert journal.read_text().startswith(whole)


def test_runs_whose_study_is_gone_are_not_taken_over(folder):
    definition = definition_in(folder, trials=1)
    run_study(definition, print)
    (definition.folder / "journal.log").unlink()
    with pytest.raises(BadInput, match="holds runs of another study"):
        run_study(definition, print)
