"""Who started a process as one of several, and what is said where two would."""

from __future__ import annotations

from pathlib import Path

import pytest

from reft_lab.command.joined import Orders
from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.errors import BadInput
from reft_lab.ranks import ALONE
from reft_lab.ranks.start import Start

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


@pytest.mark.parametrize(
    "words",
    ["method=reranker", "trainer.park_reference=true", "model.value=separate", "ppo.clip_grads=apart"],
)
def test_what_does_not_go_with_weights_in_parts(words: str) -> None:
    with pytest.raises(BadInput) as told:
        check(compose(words, "trainer.devices=2", "trainer.strategy=fsdp"))
    assert str(told.value) == f"{words} does not go with trainer.strategy=fsdp; leave out the one or the other."
