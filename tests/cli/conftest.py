"""A folder as run.py leaves it behind: outputs/ and a study in multirun/; and `reft` in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reft_lab.cli import main
from tests.cli.ended import FAILED, OLD, Ended
from tests.cli.written import write_run


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder. Tests only read it."""
    folder = tmp_path_factory.mktemp("cli")
    write_run(folder / OLD, "model=galactica", right=range(9), minutes_ago=3000)
    write_run(folder / FAILED, status="failed", minutes_ago=200)
    for number, (kl, right) in enumerate([(0.0, range(4)), (0.05, range(2, 8))]):
        study = (f"ppo.kl_coef={kl}", "tracker.group=kl")
        write_run(folder / "multirun" / "kl" / str(number), *study, right=right, minutes_ago=20 - number)
    write_run(folder / "multirun" / "kl" / "2", "ppo.kl_coef=0.2", "tracker.group=kl", right=None, minutes_ago=18)
    return folder


@pytest.fixture
def reft(made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run `reft` with these words, in that folder."""
    monkeypatch.chdir(made)

    def run(*words: str) -> Ended:
        with pytest.raises(SystemExit) as end:
            main(words)
        out, err = capsys.readouterr()
        return Ended(int(end.value.code or 0), out, err)

    return run
