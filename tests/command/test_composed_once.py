"""What was typed is composed once; a study adds the corners of its space, a multirun its runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# A stand-in for run.py that counts how often Hydra composes in its process. Its runs are over at once.
SCRIPT = """
import atexit, json, os, sys
from contextlib import closing
from pathlib import Path
from reft_lab.command.launch import launch
from reft_lab.compose.conf import Conf
from reft_lab.run_dir.directory import RunDirectory

loader = type(Conf().loader)
compose, seen = loader.load_configuration, []

def counted(self, *args, **options):
    seen.append(args)
    return compose(self, *args, **options)

def run(config, directory):
    score = {"accuracy": 0.5, "n": 100, "ci95": [0, 1]}
    final = {"dev": score, "test": score}
    with closing(RunDirectory(directory)) as run_directory:
        run_directory.write_config(config)
        run_directory.write_result(
            {"status": "finished", "reason": None, "selection": "dev", "final": final, "seconds": {"total": 1.0}}
        )
    return 0.5

loader.load_configuration = counted
record = Path("counts") / f"{os.getpid()}.json"
record.parent.mkdir(exist_ok=True)
atexit.register(lambda: record.write_text(json.dumps([sys.argv[1:], len(seen)])))
launch(run)
"""


class Counted:
    """The stand-in in a folder of its own."""

    def __init__(self, folder: Path, repo: Path):
        self.folder, self.repo = folder, repo
        (folder / "run.py").write_text(SCRIPT)

    def __call__(self, *words: str, code: int = 0) -> tuple[int, list[int]]:
        """How often the command composed, and how often each process that it started."""
        before = set(self.folder.glob("counts/*"))
        done = subprocess.run(
            [sys.executable, "run.py", *words],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.repo)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == code, done.stderr
        counts = [json.loads(file.read_text()) for file in set(self.folder.glob("counts/*")) - before]
        return (
            next(count for said, count in counts if said == list(words)),
            [count for said, count in counts if said != list(words)],
        )


@pytest.fixture
def counted(tmp_path: Path, repo: Path) -> Counted:
    return Counted(tmp_path, repo)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["seed=1"], 0),
        (["resume=auto"], 0),
        (["--cfg", "job", "--resolve"], 0),
        (["ppo.lam=3"], 2),
    ],
)
def test_a_run_is_composed_once(words: list[str], code: int, counted: Counted) -> None:
    assert counted(*words, code=code) == (1, [])


def test_a_multirun_composes_each_run_once(counted: Counted) -> None:
    assert counted("-m", "seed=0,1", "ppo.lam=0.9,1") == (1 + 4 + 1, [])  # at last to know the defaults, for its page
    assert len(list(counted.folder.glob("multirun/*/*/[0-3]/.hydra/config.yaml"))) == 4


def test_a_study_is_composed_once_and_at_the_corners_of_its_space(counted: Counted) -> None:
    words = ("-m", "sweeps=optuna", "sweeps/sampler=random", "ppo.lam=interval(0.9,1)", "sweeps.trials=2")
    base, ends, page = 1, 2, 1  # the report holds the study against the default experiment
    assert counted(*words) == (1 + base + ends + page, [1, 1])
    assert counted(*words) == (1 + base + ends + page, [])  # nothing is left to run
