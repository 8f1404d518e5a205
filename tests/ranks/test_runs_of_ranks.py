"""A run of two processes is the run of one; a lost process ends it, and any number of processes go on with it."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Collection
from pathlib import Path
from random import Random

import pytest
import torch
from safetensors.torch import load_file

from reft_lab.metrics import is_measured
from reft_lab.runner.state_tensors import in_turn, kinds
from tests.runner.leftovers import lines_of, result_of
from tests.runner.processes import Run, Session, descendants, is_alive
from tests.runner.small_runs import ITERATIONS, SMALL, WARMUP

KILLS = int(os.environ.get("REFT_LAB_KILLS", "100"))  # at random, in a test that takes long
# Where all rewards are alike, advantages are nothing but rounding; so none of these are.
REWARD = "def by_length(response):\n    return len(response) % 7 / 7\n"
OPTIONS = (
    *(word for word in SMALL if not word.startswith("ppo.eval_every=")),
    *("reward=spread.by_length", "ppo.eval_every=1", "checkpoint.every=1", "decode=vote", "decode.k=2"),
)


RERANKER = ("method=reranker", "reranker.gold=true", "reranker.samples=4", "reranker.k=4", "reranker.epochs=2")


def run_of(repo: Path, folder: Path, name: str, *words: str) -> Run:
    folder.mkdir(exist_ok=True)
    (folder / "spread.py").write_text(REWARD)
    options = [word for word in OPTIONS if words[:1] != RERANKER[:1] or not word.startswith("decode")]
    return Run(repo, folder, *options, f"pool.folder={folder / 'pools'}", *words, path=folder / name)


def ranks_of(session: Session) -> dict[int, int]:
    """The processes of its ranks, by their numbers."""
    found = {}
    for pid in descendants(session.pid):
        if b"reft_lab.command.rank" in Path(f"/proc/{pid}/cmdline").read_bytes():
            own = dict(line.partition(b"=")[::2] for line in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
            found[int(own[b"RANK"])] = pid
    return found


def kill(run: Run, session: Session, rank: int) -> None:
    """SIGKILL to one of its ranks; all of them end, and it says which one was lost and how to go on."""
    processes = descendants(session.pid)
    os.kill(ranks_of(session)[rank], signal.SIGKILL)
    assert session.wait(60) == 1
    assert f"error: rank {rank} of 2 is lost: killed by SIGKILL" in session.output
    assert f"run.py resume={run.path.name}" in session.output
    assert "Traceback" not in session.output
    assert run.result["status"] == "failed"
    assert f"rank {rank} of 2 is lost" in run.result["reason"]
    assert not any(map(is_alive, processes))


def until_gone(processes: Collection[int]) -> None:
    """Wait until all of them have ended, which takes seconds."""
    end = time.monotonic() + 20
    while any(map(is_alive, processes)):
        assert time.monotonic() < end
        time.sleep(0.05)


def assert_alike(one: Path, two: Path) -> None:
    """The same was sampled, learned and answered, up to rounding."""
    for ours, theirs in zip(lines_of(two), lines_of(one), strict=True):
        left_out = set(filter(is_measured, ours.keys() | theirs.keys()))
        assert {k: v for k, v in ours.items() if k not in left_out} == pytest.approx(
            {k: v for k, v in theirs.items() if k not in left_out}, rel=1e-4, abs=1e-4
        )
    samples, others = lines_of(two, "samples.jsonl"), lines_of(one, "samples.jsonl")
    assert [each["response"] for each in samples] == [each["response"] for each in others]
    assert lines_of(two, "predictions.jsonl") == lines_of(one, "predictions.jsonl")
    for key in ("final", "warmup", "decoding", "outcomes"):
        assert result_of(two).get(key) == result_of(one).get(key)


def assert_same_weights(one: Path, two: Path, name: str = "best", atol: float = 1e-5) -> None:
    """All files of weights, and the states that runs would go on from, have the same numbers up to rounding."""
    theirs, ours = (path / "checkpoints" / name for path in (one, two))
    files = sorted(file.name for file in theirs.glob("*.safetensors"))
    assert files
    assert files == sorted(file.name for file in ours.glob("*.safetensors"))
    pairs = [(load_file(ours / file), load_file(theirs / file)) for file in files]
    for found, expected in (*pairs, tuple(weights(path / "checkpoints" / "last") for path in (two, one))):
        assert found.keys() == expected.keys()
        for key, tensor in expected.items():
            assert torch.allclose(found[key], tensor, atol=atol), key


def weights(state: Path) -> dict[str, torch.Tensor]:
    """Those of a full state, whoever has written it."""
    stored = {name: kind for name, kind in kinds(state).items() if name.startswith("policy.")}
    assert stored
    return {name: tensor for some in in_turn(state, stored) for name, tensor in some.items()}


def weights_of(path: Path) -> list[Path]:
    """The files of weights and of the optimiser in the best checkpoint and in the last state."""
    found = [file for part in ("best", "last") for file in (path / "checkpoints" / part).glob("*.safetensors")]
    assert len(found) >= 3
    return found


def is_same_file(one: Path, two: Path) -> bool:
    """Whether all bits are the same."""
    return one.read_bytes() == two.read_bytes()


def seconds_of(run: Run, *words: str) -> float:
    """What a run takes from its beginning to its end."""
    began = time.monotonic()
    run.finish(*words)
    return time.monotonic() - began


@pytest.fixture(scope="module")
def one(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process."""
    whole = run_of(repo, tmp_path_factory.mktemp("one"), "run")
    whole.finish()
    assert len(lines_of(whole.path, "samples.jsonl")) > 16
    return whole.path


@pytest.mark.parametrize("deal", ["auto", "sequences"])
def test_a_run_of_two_goes_on_as_one_where_a_process_was_lost(repo: Path, tmp_path: Path, one: Path, deal: str) -> None:
    two = run_of(repo, tmp_path, "run", f"trainer.deal={deal}")
    session = two.start("trainer.devices=2")
    session.until(lambda: two.step > WARMUP)
    kill(two, session, 1)
    assert two.step > WARMUP
    (waited,) = {"time/waiting_seconds" in record for record in two.metrics}
    assert waited
    two.finish("trainer.devices=1")
    assert_alike(one, two.path)
    assert two.passport["resumed"][0]["changed"]["trainer.devices"] == "2 -> 1"
    same = {file.name: is_same_file(file, two.path / file.relative_to(one)) for file in weights_of(one)}
    assert all(same.values()) == (deal == "auto"), same


@pytest.mark.long
def test_a_run_in_parts_goes_on_where_a_process_was_lost(repo: Path, tmp_path: Path, one: Path) -> None:
    two = run_of(repo, tmp_path, "run", "trainer.devices=2", "trainer.strategy=fsdp")
    session = two.start()
    session.until(lambda: two.step > WARMUP)
    kill(two, session, 1)
    two.finish()
    assert_alike(one, two.path)
    assert_same_weights(one, two.path)


@pytest.mark.long
@pytest.mark.parametrize("between", [{1: "fsdp"}, {2: "ddp"}, {3: "fsdp"}], ids=str)
def test_a_state_of_parts_goes_on_in_any_layout(repo: Path, tmp_path: Path, one: Path, between: dict[int, str]) -> None:
    two = run_of(repo, tmp_path, "run")
    ((size, strategy),) = between.items()
    for last, words in enumerate((("2", "fsdp"), (str(size), strategy), ("2", "fsdp"))):
        session = two.start(f"trainer.devices={words[0]}", f"trainer.strategy={words[1]}")
        if last == 2:
            assert session.wait() == 0, session.output
            break
        session.until(lambda last=last: two.step > WARMUP + last)
        session.kill()
    assert_alike(one, two.path)
    assert_same_weights(one, two.path)


@pytest.mark.long
@pytest.mark.timeout(600 + 60 * KILLS)
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_runs_whose_processes_are_killed_at_random(repo: Path, tmp_path: Path, one: Path, strategy: str) -> None:
    """KILLS of one process at any moment: a rank, or the process that was typed. Each run ends as one that was not."""
    words = ("trainer.devices=2", f"trainer.strategy={strategy}", "trainer.deal=sequences")
    dice, kills, ended = Random(strategy), 0, 0
    whole = seconds_of(run_of(repo, tmp_path, "whole", *words))
    run = run_of(repo, tmp_path, "run-0", *words)
    while kills < KILLS:
        session = run.start()
        end = time.monotonic() + dice.uniform(0, whole)
        while session.is_running and time.monotonic() < end:
            time.sleep(0.01)
        if session.is_running:
            processes = descendants(session.pid)
            os.kill(dice.choice(sorted([session.pid, *ranks_of(session).values()])), signal.SIGKILL)
            kills += 1
            code = session.wait(60)
            until_gone(processes)
            if code:
                continue  # otherwise it had nothing more to do
        assert session.wait() == 0, session.output
        assert_alike(one, run.path)
        ended += 1
        run = run_of(repo, tmp_path, f"run-{ended}", *words)
    run.finish()
    assert_alike(one, run.path)


@pytest.mark.long
@pytest.mark.parametrize("words", [RERANKER, ("model.value=separate", "ppo.clip_grads=apart")], ids=str)
def test_a_run_in_parts_is_that_of_one_process(repo: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    whole = run_of(repo, tmp_path / "one", "run", *words)
    whole.finish()
    two = run_of(repo, tmp_path / "two", "run", *words, "trainer.devices=2", "trainer.strategy=fsdp")
    session = two.start()
    session.until(lambda: two.step > WARMUP + 1)
    kill(two, session, 1)
    two.finish()
    assert_alike(whole.path, two.path)
    assert_same_weights(
        whole.path, two.path, atol=1e-4
    )  # where a gradient is next to none, AdamW makes much of rounding


@pytest.mark.long
@pytest.mark.parametrize("method", ["reft", "offline_st", "online_st"])
def test_a_run_with_an_adapter_in_parts_is_that_of_one_process(repo: Path, tmp_path: Path, method: str) -> None:
    words = (f"method={method}", "model.lora.rank=4", "model.lora.merge=true", f"online_st.iterations={ITERATIONS}")
    whole = run_of(repo, tmp_path / "one", "run", *words)
    whole.finish()
    two = run_of(repo, tmp_path / "two", "run", *words, "trainer.devices=2", "trainer.strategy=fsdp")
    session = two.start()
    session.until(lambda: two.step > WARMUP)
    kill(two, session, 0)
    two.finish()
    assert_alike(whole.path, two.path)
    assert_same_weights(whole.path, two.path)
    assert_same_weights(whole.path, two.path, "merged")


@pytest.mark.long
def test_a_run_of_two_is_stopped_killed_and_resumed(repo: Path, tmp_path: Path, one: Path) -> None:
    two = run_of(repo, tmp_path, "run", "trainer.devices=2", "trainer.deal=sequences")
    session = two.start()
    session.until(lambda: two.step > 1)
    processes = descendants(session.pid)
    session.send(signal.SIGTERM, whole_group=False)
    assert session.wait(60) == 128 + signal.SIGTERM
    assert (two.result["status"], two.result["reason"]) == ("interrupted", "stopped by SIGTERM")
    assert re.search(r"^interrupted; go on with: .*python.* .*run\.py resume=run$", session.output, re.MULTILINE)
    assert not any(map(is_alive, processes))
    step = two.step

    session = two.start()
    session.until(lambda: two.step > step)
    session.press_ctrl_c()
    assert session.wait(60) == 128 + signal.SIGINT
    session = two.start()
    session.until(lambda: two.step > WARMUP)
    kill(two, session, 0)
    session = two.start()
    session.until(lambda: len(ranks_of(session)) == 2)
    processes = set(ranks_of(session).values())
    session.until(lambda: two.step > WARMUP + 1)
    os.kill(session.pid, signal.SIGKILL)  # of the process that was typed
    until_gone(processes)
    two.finish()
    assert_alike(one, two.path)
