"""The command as a whole: help, ends, and what it hands on to reports and dashboards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.ended import OLD, Ended

Reft = Callable[..., Ended]
COMMANDS = (
    *("runs", "watch", "compare", "table", "verify", "best"),
    *("audit-critic", "audit", "data", "report", "serve", "dashboard"),
)
AS_A_MODULE = [sys.executable, "-m", "reft_lab.cli"]


@pytest.fixture
def environment(repo: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(repo), "COLUMNS": "80"}


def test_help_names_every_command(reft: Reft) -> None:
    for words in ([], ["--help"], ["-h"]):
        ended = reft(*words)
        assert (ended.code, ended.err) == (0, "")
        listed = ended.out.partition("Commands:\n")[2].splitlines()
        assert [line.split()[0] for line in listed] == list(COMMANDS)
        assert not any("..." in line for line in listed), "a summary is cut"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_has_a_help_text(reft: Reft, command: str) -> None:
    ended = reft(command, "--help")
    assert ended.code == 0
    assert ended.out.startswith(f"Usage: reft {command} ")
    assert all(len(line) <= 80 for line in ended.out.splitlines())


def test_help_loads_nothing_heavy(repo: Path, environment: dict[str, str], tmp_path: Path) -> None:
    script = (
        "import sys\nfrom reft_lab.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: print('loaded', *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.partition("loaded ")[2].split())
    assert "typer" in loaded
    assert not loaded & {"pandas", "numpy", "wandb", "torch", "altair", "scipy", "hydra", "optuna", "wandb_workspaces"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["rns"], "No such command 'rns'. Did you mean 'runs'?"),
        (["--verbose"], "No such option: --verbose"),
        (["dashboard", "reft_lab", "--preview"], "'reft_lab' names no project of W&B; write ENTITY/PROJECT"),
        (["dashboard", "a/b", "--output", "x"], "--output is for --preview"),
        (["dashboard", "a/b", "--preview", "--output", "no/such/file"], "no/such/file cannot be written: "),
        (["dashboard", "a/b", "--preview", "--study", "lk"], "there is no study multirun/lk"),
        (["report", "xyzzy"], "no run is called xyzzy"),
    ],
)
def test_bad_input_is_one_sentence(reft: Reft, words: list[str], sentence: str) -> None:
    assert reft(*words).sentence.startswith(sentence)


def test_a_preview_goes_to_the_terminal_or_to_a_file(reft: Reft, tmp_path: Path) -> None:
    file = tmp_path / "spec.json"
    ended = reft("dashboard", "someone/reft_lab", "--preview", "--study", "kl")
    assert reft("dashboard", "someone/reft_lab", "--preview", "--study", "kl", "--output", str(file)).out == f"{file}\n"
    head, *lines = ended.out.splitlines()
    assert head == "workspace reft_lab of someone/reft_lab:"
    assert "  Curves: " in ended.out.partition("report Study kl")[2]
    assert all(line.startswith("  ") for line in lines[: lines.index("")])
    shown = json.loads(reft("dashboard", "someone/reft_lab", "--preview", "--study", "kl", "--json").out)
    assert shown == json.loads(file.read_text())
    assert shown.keys() == {"workspace", "report"}
    assert "report" not in reft("dashboard", "someone/reft_lab", "--preview").out


def test_a_report_is_written_and_opened(
    made: Path, reft: Reft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(made, tmp_path / "copy")
    reft("--help")
    monkeypatch.chdir(tmp_path / "copy")
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert reft("report", "10-00-00").out == f"{OLD}/report.html\n"
    assert opened == []
    assert reft("report", "kl", "--open").out == "multirun/kl/report.html\n"
    assert opened == [(tmp_path / "copy" / "multirun" / "kl" / "report.html").as_uri()]
    assert "<html" in (tmp_path / "copy" / OLD / "report.html").read_text()[:500]


def test_a_reader_that_has_enough_hears_nothing(made: Path, environment: dict[str, str]) -> None:
    command = f"{sys.executable} -m reft_lab.cli runs --json | head -n 1"
    done = subprocess.run(command, shell=True, cwd=made, env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[\n", "")


def on_a_terminal(*words: str, width: int, folder: Path, environment: dict[str, str]) -> list[str]:
    """The lines that `reft` shows on a terminal of so many columns."""
    import pty

    leader, follower = pty.openpty()
    environment = environment | {"COLUMNS": str(width)}
    with subprocess.Popen([*AS_A_MODULE, *words], cwd=folder, env=environment, stdout=follower) as process:
        os.close(follower)
        shown = b""
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:  # how a terminal ends
                break
            if not piece:
                break
            shown += piece
        assert process.wait(60) == 0
    os.close(leader)
    return shown.decode().replace("\r", "").splitlines()


def test_a_terminal_of_80_columns_shows_every_path_whole(made: Path, environment: dict[str, str]) -> None:
    lines = on_a_terminal("runs", width=80, folder=made, environment=environment)
    assert "all: data arithmetic, method reft" in lines
    assert max(len(line) for line in lines if "\x1b" not in line) <= 80
    folded = "".join(line[-20:].split()[-1] for line in lines[-6:] if line.strip())
    assert OLD[-10:] in folded


def test_a_terminal_of_56_columns_loses_nothing(made: Path, environment: dict[str, str]) -> None:
    lines = on_a_terminal("runs", width=56, folder=made, environment=environment)
    assert max(len(line) for line in lines if "\x1b" not in line) <= 56
    blocks = "\n".join(lines).split("\n\n")
    assert [block.split("path: ")[1] for block in blocks[1:]][-1].strip() == OLD
    assert "state: finished\nmodel: galactica" in blocks[-1]


def test_ctrl_c_ends_it_without_a_traceback(tmp_path: Path, environment: dict[str, str]) -> None:
    started, pipe = tmp_path / "started", tmp_path / "outputs" / "run"
    pipe.mkdir(parents=True)
    for name in ("config.yaml", "passport.json"):
        os.mkfifo(pipe / name)  # a file that is never read to its end
    script = f"import pathlib; from reft_lab.cli import main; pathlib.Path({str(started)!r}).touch(); main(['runs'])"
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        while not started.exists():
            time.sleep(0.05)
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
