"""Full states of weights in parts: written by each rank for itself, read bit for bit into any layout, or not there."""

from __future__ import annotations

import resource
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from reft_lab.ranks import ALONE, Ranks
from reft_lab.runner.checkpoint import Checkpoints
from reft_lab.runner.verification import compare
from reft_lab.sealed import damage
from tests.methods import test_reft, test_sft
from tests.ranks.in_parts import part, whole
from tests.ranks.test_together import share
from tests.ranks.together import together

FACTS = {"tracker_step": 1, "stage": "reft"}
TIED = 1  # weight under two names
STATES = {1: "by one", 2: "by two", 3: "by three"}  # processes that have written them


def state(folder: Path) -> Path:
    """The state in a run directory."""
    return folder / "checkpoints" / "last"


def make(ranks: Ranks, strategy: str = "fsdp") -> Any:
    """Reinforcement with a value model of its own and tied embeddings, whose sizes are no multiples of three."""
    torch.set_num_threads(1)
    stage = test_reft.make_stage(family="gpt2")
    if strategy == "fsdp":
        return part(stage, ranks, separate=True)
    part(stage, ALONE, separate=True)
    share(stage, ranks)
    return stage


def tensors(stage: Any) -> dict[str, Tensor]:
    """All weights and moments, as wholes."""
    return whole(stage.policy.state_dict() | stage.optimizer.tensors())


def writes(folder: Path, ranks: Ranks) -> dict[str, Tensor]:
    """What is in the state that is written to a folder after an iteration."""
    stage = make(ranks)
    stage.iterate()
    Checkpoints(folder / "checkpoints", keep=1).save(stage, FACTS)
    ranks.wait()
    return tensors(stage)


def reads(folder: Path, strategy: str, ranks: Ranks) -> tuple[dict[str, Tensor], int]:
    """What a stage has after the state in a folder was put into it, and its step."""
    stage = make(ranks, strategy)
    Checkpoints(folder, keep=1).load(state(folder), stage)
    return tensors(stage), stage.step


def writes_and_reads(home: Path, ranks: Ranks) -> dict[str, Any]:
    """As many ranks as there are write a state, and read it and those that are there already."""
    found: dict[str, Any] = {"written": writes(home / STATES[ranks.size], ranks)}
    for size, name in STATES.items():
        if size <= ranks.size:
            found[name] = reads(home / name, "fsdp", ranks)
            found[f"{name}, ddp"] = reads(home / name, "ddp", ranks)
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all states."""
    return tmp_path_factory.mktemp("states")


@pytest.fixture(scope="module")
def written(repo: Path, home: Path) -> dict[str, Any]:
    """What so many processes have written, by the name of the state; what was read, by their number, rank and name."""
    found = {STATES[1]: writes(home / STATES[1], ALONE)}
    for size in (2, 3):
        (home / f"notes {size}").mkdir()
        for rank, each in enumerate(together(repo, home / f"notes {size}", size, partial(writes_and_reads, home))):
            found[STATES[size]] = each.pop("written")
            found |= {(size, rank, name): read for name, read in each.items()}
    return found


def assert_equal(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert sum(tensor.numel() for tensor in expected.values()) > 10_000
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


def test_any_number_of_ranks_reads_what_any_other_has_written(written: dict[Any, Any]) -> None:
    read = {key: value for key, value in written.items() if isinstance(key, tuple)}
    assert len(read) == 2 * 4 + 3 * 6
    for (_, _, name), (found, step) in read.items():
        assert_equal(found, written[name.partition(",")[0]])
        assert step == 1


@pytest.mark.parametrize("size", STATES)
def test_one_process_reads_it_without_the_others(written: dict[Any, Any], home: Path, size: int) -> None:
    assert not torch.distributed.is_initialized()
    found, step = reads(home / STATES[size], "ddp", ALONE)
    assert_equal(found, written[STATES[size]])
    assert step == 1
    assert len([*state(home / STATES[size]).glob("*.safetensors")]) == size
    assert damage(state(home / STATES[size])) is None


def test_no_rank_writes_what_another_has(written: dict[Any, Any], home: Path) -> None:
    sizes = [path.stat().st_size for path in state(home / STATES[3]).glob("*.safetensors")]
    (alone,) = state(home / STATES[1]).glob("*.safetensors")
    assert sum(sizes) < 1.2 * alone.stat().st_size  # names and places beside the numbers of a small model
    assert max(sizes) < 0.5 * alone.stat().st_size


def test_states_are_compared_whoever_has_written_them(written: dict[Any, Any], home: Path, tmp_path: Path) -> None:
    stage = make(ALONE, "ddp")
    checkpoints = Checkpoints(tmp_path / "whole" / "checkpoints", keep=1)
    checkpoints.load(state(home / STATES[3]), stage)
    checkpoints.save(stage, FACTS)
    (verdict,) = [each for each in compare(home / STATES[3], tmp_path / "whole") if each.part == "weights"]
    assert verdict.is_equal
    assert verdict.sentence == f"all of {len(written[STATES[3]]) - TIED} tensors, the optimiser's included"
    with torch.no_grad():
        stage.policy.value_head.bias += 0.25
    checkpoints.save(stage, FACTS)
    (verdict,) = [each for each in compare(home / STATES[3], tmp_path / "whole") if each.part == "weights"]
    assert not verdict.is_equal
    assert "1 of " in verdict.sentence
    assert verdict.sentence.endswith("tensors differ, by up to 0.25, first last:policy.value_head.bias")


def refused(folder: Path, ranks: Ranks) -> list[str]:
    """What all ranks hear where the disk of one that does not lead has no room."""
    stage = part(test_sft.make_stage(), ranks)
    checkpoints = Checkpoints(folder, keep=1)
    checkpoints.save(stage, FACTS)
    if not ranks.leads:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    stage.advance()
    said = ""
    try:
        checkpoints.save(stage, FACTS | {"tracker_step": 2})
    except OSError as error:
        said = str(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return ranks.gather(said)


def test_where_the_disk_refuses_one_rank_all_hear_of_it_and_the_state_before_stays(repo: Path, tmp_path: Path) -> None:
    for heard in together(repo, tmp_path, 2, partial(refused, tmp_path / "run")):
        assert all("File too large" in said for said in heard)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["last"]
    assert damage(tmp_path / "run" / "last") is None
    assert Checkpoints.facts(tmp_path / "run" / "last")["tracker_step"] == 1
