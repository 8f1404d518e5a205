"""A study that was run, in few words: each of its runs as a directory with what a reader of results needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.written import write_run


@pytest.fixture(scope="session")
def folder_with_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study `kl` over two values and two seeds in its multirun/, and a run that confirms it."""
    folder = tmp_path_factory.mktemp("dashboard")
    for number, (kl, seed, right) in enumerate([(0.0, 0, 3), (0.0, 1, 4), (0.05, 0, 7), (0.05, 1, 8)]):
        write_run(
            folder / "multirun" / "kl" / str(number),
            f"ppo.kl_coef={kl}",
            f"seed={seed}",
            "tracker.group=kl",
            right=range(right),
        )
    (folder / "multirun" / "kl" / "study.csv").touch()
    confirmed = folder / "multirun" / "kl" / "confirm" / "first" / "seed-7"
    write_run(confirmed, "ppo.kl_coef=0.05", "seed=7", right=range(10))
    return folder


@pytest.fixture
def study(folder_with_study: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the study in multirun/ of the current folder."""
    monkeypatch.chdir(folder_with_study)
    return "kl"
