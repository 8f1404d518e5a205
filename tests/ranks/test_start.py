"""Who started a process as one of several, and what is said where two would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reft_lab.command.joined import Orders
from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.errors import BadInput
from reft_lab.ranks import ALONE
from reft_lab.ranks.start import Start
from tests.ranks.test_runs_of_ranks import OPTIONS, REWARD, assert_alike, run_of

SLURM = {"SLURM_JOB_ID": "7", "SLURM_PROCID": "9", "SLURM_LOCALID": "1", "SLURM_NTASKS": "16"}


@pytest.mark.parametrize(
    ("environment", "start"),
    [
        ({}, None),
        ({"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}, (3, 8, 1, 2, "torchrun")),
        ({"RANK": "0", "WORLD_SIZE": "1"}, (0, 1, 0, 1, "torchrun")),
        (SLURM, None),  # a batch script, which is one process however many tasks the job has
        (SLURM | {"SLURM_STEP_NUM_TASKS": "1"}, None),
        (SLURM | {"SLURM_STEP_NUM_TASKS": "16", "SLURM_STEP_TASKS_PER_NODE": "8(x2)"}, (9, 16, 1, 8, "srun")),
    ],
)
def test_the_environment_says_who_started_it(environment: dict[str, str], start: tuple[object, ...] | None) -> None:
    found = Start.of_this_process(environment)
    assert start == (None if found is None else tuple(vars(found).values()))


@pytest.mark.parametrize(("size", "devices"), [(2, 1), (2, 4), (1, 2)])
def test_another_number_than_was_started_is_refused(size: int, devices: int) -> None:
    orders = Orders(ALONE, Start(0, size, 0, size, "torchrun"))
    with pytest.raises(BadInput) as told:
        orders.give(check(compose(f"trainer.devices={devices}")), Path("nowhere"))
    assert f"give trainer.devices={size} " in str(told.value)
    assert f"python run.py trainer.devices={devices} starts as many" in str(told.value)


@pytest.mark.parametrize("words", ["trainer.park_reference=true", "trainer.deal=batches"])
def test_what_does_not_go_with_weights_in_parts(words: str) -> None:
    with pytest.raises(BadInput) as told:
        check(compose(words, "trainer.devices=2", "trainer.strategy=fsdp"))
    assert str(told.value) == f"{words} does not go with trainer.strategy=fsdp; leave out the one or the other."


def by_torchrun(repo: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Two processes of torchrun, each with the command line `run.py WORDS`, typed in `folder`."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--no-python"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(repo)}
    return subprocess.run(
        [*command, sys.executable, repo / "run.py", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_processes_that_somebody_else_has_started_end_with_a_sentence(repo: Path, tmp_path: Path) -> None:
    ended = by_torchrun(repo, tmp_path, "debug=quick", "trainer.devices=3")
    sentence = "error: torchrun has started 2 processes, and trainer.devices=3 asks for 3; give trainer.devices=2"
    assert ended.stderr.count(sentence) == 1
    assert "exitcode  : 2 " in ended.stderr  # torchrun's own report
    assert "terminate called" not in ended.stderr
    assert not (tmp_path / "outputs").exists()


@pytest.mark.long
def test_processes_that_somebody_else_has_started_do_one_run(repo: Path, tmp_path: Path) -> None:
    run_of(repo, tmp_path / "one", "run").finish()
    two = tmp_path / "two"
    two.mkdir()
    (two / "spread.py").write_text(REWARD)
    words = (*OPTIONS, f"pool.folder={two / 'pools'}", f"hydra.run.dir={two / 'run'}")
    ended = by_torchrun(repo, two, *words, "trainer.devices=2")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("run directory: ") == 1
    assert_alike(tmp_path / "one" / "run", two / "run")
