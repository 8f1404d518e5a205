"""A run of two processes is the run of one; a lost process ends it, and any number of processes go on with it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.runner.leftovers import lines_of, result_of
from tests.runner.processes import Run, Session, descendants, is_alive
from tests.runner.small_runs import SMALL, WARMUP

# Where all rewards are alike, advantages are nothing but rounding; so none of these are.
REWARD = "def by_length(response):\n    return len(response) % 7 / 7\n"
OPTIONS = (
    *(word for word in SMALL if not word.startswith("ppo.eval_every=")),
    *("reward=spread.by_length", "ppo.eval_every=1", "checkpoint.every=1", "decode=vote", "decode.k=2"),
)


def run_of(repo: Path, folder: Path, name: str, *words: str) -> Run:
    (folder / "spread.py").write_text(REWARD)
    return Run(repo, folder, *OPTIONS, f"pool.folder={folder / 'pools'}", *words, path=folder / name)


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


def assert_alike(one: Path, two: Path) -> None:
    """The same was sampled, learned and answered, up to rounding."""
    for ours, theirs in zip(lines_of(two), lines_of(one), strict=True):
        left_out = {name for name in ours.keys() | theirs.keys() if name.startswith("time/") or name == "seconds"}
        assert {k: v for k, v in ours.items() if k not in left_out} == pytest.approx(
            {k: v for k, v in theirs.items() if k not in left_out}, rel=1e-4, abs=1e-4
        )
    samples, others = lines_of(two, "samples.jsonl"), lines_of(one, "samples.jsonl")
    assert [each["response"] for each in samples] == [each["response"] for each in others]
    assert len(samples) > 16
    assert lines_of(two, "predictions.jsonl") == lines_of(one, "predictions.jsonl")
    for key in ("final", "warmup", "decoding", "outcomes"):
        assert result_of(two)[key] == result_of(one)[key]


@pytest.fixture(scope="module")
def one(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process."""
    whole = run_of(repo, tmp_path_factory.mktemp("one"), "run")
    whole.finish()
    return whole.path


def test_a_run_of_two_goes_on_as_one_where_a_process_was_lost(repo: Path, tmp_path: Path, one: Path) -> None:
    two = run_of(repo, tmp_path, "run")
    session = two.start("trainer.devices=2")
    session.until(lambda: two.step > WARMUP)
    kill(two, session, 1)
    assert two.step > WARMUP
    (waited,) = {"time/waiting_seconds" in record for record in two.metrics}
    assert waited
    two.finish("trainer.devices=1")
    assert_alike(one, two.path)
    assert two.passport["resumed"][0]["changed"]["trainer.devices"] == "2 -> 1"


@pytest.mark.long
def test_a_run_of_two_is_stopped_killed_and_resumed(repo: Path, tmp_path: Path, one: Path) -> None:
    two = run_of(repo, tmp_path, "run", "trainer.devices=2")
    session = two.start()
    session.until(lambda: two.step > 1)
    processes = descendants(session.pid)
    session.send(signal.SIGTERM, whole_group=False)
    assert session.wait(60) == 128 + signal.SIGTERM
    assert (two.result["status"], two.result["reason"]) == ("interrupted", "stopped by SIGTERM")
    assert "interrupted; go on with: python" in session.output
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
    end = time.monotonic() + 20
    while any(map(is_alive, processes)):
        assert time.monotonic() < end
        time.sleep(0.05)
    two.finish()
    assert_alike(one, two.path)
