"""Full training states: a stage restored from one goes on bit for bit, and a damaged one is passed over."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest
import torch

from reft_lab.policy import saving
from reft_lab.policy.settings import ScratchConfig
from reft_lab.policy.tokenizer import train_tokenizer
from reft_lab.runner.checkpoint import Checkpoints
from reft_lab.sealed import damage
from tests.methods import test_reft, test_sft
from tests.runner.processes import nursery

TOKENIZER = train_tokenizer(["a b c"], ScratchConfig())


def weights(stage: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in stage.policy.parameters()])


def facts(step: int, stage: str = "sft") -> dict[str, Any]:
    return {"tracker_step": step, "stage": stage}


def export(checkpoints: Checkpoints, stage: Any, name: str, when: str) -> None:
    saving.save(stage.policy, TOKENIZER, checkpoints.folder / name, {"when": when})


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    "make",
    [
        lambda: test_sft.make_stage(family="gpt2"),
        lambda: test_sft.make_stage(family="llama"),
        test_reft.make_stage,
        lambda: test_reft.make_stage(replace(test_reft.CONFIG, samples_per_problem=2), separate=True),
        lambda: test_reft.make_stage(replace(test_reft.CONFIG, samples_per_problem=4, credit="leave_one_out")),
    ],
    ids=["sft gpt2", "sft llama", "reft", "reft separate value model", "reft without a critic"],
)
def test_a_restored_stage_goes_on_bit_for_bit(make: Callable[[], Any], tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=2)
    whole, first = make(), make()
    while not whole.done:
        whole.advance()
    first.advance()
    checkpoints.save(first, facts(1))
    first.advance()
    checkpoints.save(first, facts(2))
    second = make()
    state, notes = checkpoints.find()
    assert state == checkpoints.folder / "last"
    assert notes == []
    checkpoints.load(state, second)
    assert (second.step, checkpoints.facts(state)["tracker_step"]) == (2, 2)
    assert torch.equal(weights(first), weights(second))
    while not second.done:
        second.advance()
    assert torch.equal(weights(whole), weights(second))


def test_a_rate_that_an_alarm_lowered_stays_lowered(tmp_path: Path) -> None:
    checkpoints, stage, other = Checkpoints(tmp_path, keep=1), test_reft.make_stage(), test_reft.make_stage()
    stage.advance()
    stage.optimizer.scale = 0.25
    checkpoints.save(stage, facts(1, "reft"))
    checkpoints.load(tmp_path / "last", other)
    assert other.optimizer.scale == 0.25


def test_as_many_states_are_kept_as_asked_for(tmp_path: Path) -> None:
    checkpoints, stage = Checkpoints(tmp_path, keep=3), test_sft.make_stage()
    for step in (3, 20, 100, 101):
        checkpoints.save(stage, facts(step))
    assert names(tmp_path) == {"last", "step-100", "step-20"}
    checkpoints.save(stage, facts(101))  # the same step again, with its evaluation pending
    steps = {path.name: checkpoints.facts(path)["tracker_step"] for path in tmp_path.iterdir()}
    assert steps == {"last": 101, "step-100": 100, "step-20": 20}
    (tmp_path / "step-mine").mkdir()  # not ours
    Checkpoints(tmp_path, keep=1).save(stage, facts(102))
    assert names(tmp_path) == {"last", "step-mine"}


@pytest.mark.parametrize("seed", range(5))
def test_a_damaged_state_is_named_and_the_one_before_it_used(tmp_path: Path, seed: int) -> None:
    """Each file in turn, a bit flipped or its end cut off."""
    dice, stage = random.Random(seed), test_sft.make_stage()
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in (1, 2):
        checkpoints.save(stage, facts(step))
    for file in (tmp_path / "last").iterdir():
        whole = file.read_bytes()
        changed = bytearray(whole)
        if dice.random() < 0.5:
            changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
        else:
            del changed[dice.randrange(len(changed) - 1) :]
        file.write_bytes(changed)
        state, notes = checkpoints.find()
        if notes:  # else a space in the manifest has become another kind of space
            assert state == tmp_path / "step-1"
            assert len(notes) == 1
            assert notes[0].startswith(f"the checkpoint {tmp_path / 'last'} cannot be used: ")
            assert file.name in notes[0] or file.name == "manifest.json"
            assert "\n" not in notes[0]
        else:
            assert file.name == "manifest.json"
        file.write_bytes(whole)


def test_where_all_are_damaged_there_is_none(tmp_path: Path) -> None:
    checkpoints, stage = Checkpoints(tmp_path, keep=2), test_sft.make_stage()
    assert checkpoints.find() == (None, [])
    for step in (1, 2):
        checkpoints.save(stage, facts(step))
    (tmp_path / "last" / "state.json").unlink()
    (tmp_path / "step-1" / "state.safetensors").write_bytes(b"")
    state, notes = checkpoints.find()
    assert state is None
    assert [note.partition(" cannot ")[0] for note in notes] == [
        f"the checkpoint {tmp_path / 'last'}",
        f"the checkpoint {tmp_path / 'step-1'}",
    ]
    checkpoints.go_back_to(None)
    assert not tmp_path.exists()


def test_a_state_of_reft_needs_the_policy_after_warmup(tmp_path: Path) -> None:
    checkpoints, stage = Checkpoints(tmp_path, keep=2), test_sft.make_stage()
    export(checkpoints, stage, "warmup", "warm-up")
    checkpoints.save(stage, facts(1, "warmup"))
    checkpoints.save(stage, facts(2, "reft"))
    assert checkpoints.find() == (tmp_path / "last", [])
    (tmp_path / "warmup" / "model.safetensors").write_bytes(b"")
    state, notes = checkpoints.find()
    assert state == tmp_path / "step-1"
    assert "it needs" in notes[0]
    assert "model.safetensors has 0 bytes" in notes[0]


class Best:
    """A state at step 1 with the best policy of then, one at step 2 with a better one, and a better one after that."""

    def __init__(self, folder: Path):
        self.folder, self.checkpoints, self.stage = folder, Checkpoints(folder, keep=2), test_sft.make_stage()
        for number in (1, 2, 3):
            self.stage.advance()
            export(self.checkpoints, self.stage, "best", f"epoch {number}")
            if number < 3:
                self.checkpoints.save(self.stage, facts(number))

    @property
    def now(self) -> str | None:
        return saving.facts(self.folder / "best").get("when")

    def lose(self, folder: str) -> None:
        file = self.folder / folder / "model.safetensors"
        file.write_bytes(file.read_bytes()[:-1])


def test_going_back_forgets_what_came_later(tmp_path: Path) -> None:
    best = Best(tmp_path)
    (tmp_path / ".best.part").mkdir()
    (tmp_path / ".last.old").mkdir()
    assert best.checkpoints.go_back_to(tmp_path / "last") == (tmp_path / "last", None)
    assert best.now == "epoch 2"
    assert damage(tmp_path / "best") is None
    assert names(tmp_path) == {"last", "step-1", "best"}
    assert best.checkpoints.go_back_to(tmp_path / "step-1") == (tmp_path / "last", None)
    assert best.now == "epoch 1"
    assert names(tmp_path) == {"last", "best"}
    assert best.checkpoints.facts(tmp_path / "last")["tracker_step"] == 1


def test_a_damaged_best_policy_comes_back_from_the_state(tmp_path: Path) -> None:
    best = Best(tmp_path)
    best.lose("best")
    assert best.checkpoints.go_back_to(tmp_path / "last") == (tmp_path / "last", None)
    assert best.now == "epoch 2"


def test_a_best_policy_that_is_lost_is_said(tmp_path: Path) -> None:
    best = Best(tmp_path)
    best.lose("last/best")
    state, problem = best.checkpoints.go_back_to(tmp_path / "last")
    assert state == tmp_path / "last"
    assert problem is not None
    assert "model.safetensors has" in problem
    assert not (tmp_path / "best").exists()


def test_a_state_from_before_the_first_evaluation_has_no_best_policy(tmp_path: Path) -> None:
    checkpoints, stage = Checkpoints(tmp_path, keep=1), test_sft.make_stage()
    checkpoints.save(stage, facts(1))
    export(checkpoints, stage, "best", "epoch 1")
    assert checkpoints.go_back_to(tmp_path / "last") == (tmp_path / "last", None)
    assert names(tmp_path) == {"last"}


def write_until_killed(folder: Path, newest: int, begun: Event) -> None:
    """States and best policies, in a process that never comes back."""
    checkpoints, stage = Checkpoints(folder, keep=2), test_sft.make_stage()
    for step in range(newest + 1, newest + 1000):
        if step % 2:
            export(checkpoints, stage, "best", f"epoch {step}")
        checkpoints.save(stage, facts(step) | {"best": step - (step + 1) % 2})
        begun.set()


def test_a_kill_at_any_moment_leaves_a_state_and_the_best_policy_that_belongs_to_it(repo: Path, tmp_path: Path) -> None:
    dice, context = random.Random(3), nursery(repo)
    newest, cut_short = 0, 0
    for _ in range(25):
        begun = context.Event()
        child = context.Process(target=write_until_killed, args=(tmp_path, newest, begun))  # type: ignore[attr-defined]
        child.start()
        assert begun.wait(120)
        time.sleep(dice.uniform(0, 0.05))
        child.kill()
        child.join()

        cut_short += any(name.startswith(".") for name in names(tmp_path))
        checkpoints = Checkpoints(tmp_path, keep=2)
        state, notes = checkpoints.find()
        assert state is not None
        assert notes == []
        state, problem = checkpoints.go_back_to(state)
        assert state is not None
        assert problem is None
        found = checkpoints.facts(state)
        assert found["tracker_step"] > newest
        assert saving.facts(tmp_path / "best")["when"] == f"epoch {found['best']}"
        assert damage(tmp_path / "best") is None
        newest = found["tracker_step"]
    assert cut_short >= 5, "most kills came between two checkpoints"
