"""Memory that runs out and losses that are not finite: one sentence that says what to change, and on it goes."""

from __future__ import annotations

import re
import resource
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from reft_lab.errors import RunFailed, is_memory
from tests.runner.leftovers import result_of
from tests.runner.processes import Run
from tests.runner.small_runs import finish

SMALL = (
    "tracker=none",
    "tracker.report=false",
    "baseline=null",
    "data.train_size=96",
    "data.dev_size=24",
    "data.test_size=32",
    "warmup.epochs=2",
    "ppo.iterations=2",
    "ppo.epochs=1",
)
REFT = 12  # steps of the warm-up
MIB = 2**20


def limit_memory(pid: int, more: int) -> None:
    """Let a process take no more than `more` MiB of address space above what it has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    resource.prlimit(pid, resource.RLIMIT_AS, (pages * resource.getpagesize() + more * MIB, resource.RLIM_INFINITY))


@pytest.mark.parametrize(
    ("phases", "option", "others", "room"),
    [
        (["sampling"], "trainer.decode_batch", ["ppo.rollouts=1024", "ppo.mini_batch=64"], 100),
        (
            ["scoring", "updating"],
            "trainer.tokens_per_micro_batch",
            ["ppo.rollouts=512", "ppo.mini_batch=512", "trainer.decode_batch=64"],
            150,
        ),
    ],
)
def test_a_run_that_needs_too_much_memory(
    repo: Path, tmp_path: Path, phases: list[str], option: str, others: list[str], room: int
) -> None:
    starved = Run(repo, tmp_path, *SMALL, *others, f"{option}=100000")
    session = starved.start()
    session.until(lambda: starved.step > 3)
    limit_memory(session.pid, room)
    assert session.wait() == 1
    assert "Traceback" not in session.output
    said = session.output.splitlines()[-1]
    found = re.fullmatch(rf"error: out of memory while (\w+) \(.*\); lower {option} \(now (\d+)\): (.*)", said)
    assert found is not None, said
    assert found[1] in phases
    assert starved.result["status"] == "failed"
    assert starved.result["reason"] == said.removeprefix("error: ")
    overrides = found[3].split()[2:]
    assert overrides == ["resume=run", f"{option}={int(found[2]) // 2}"]
    again = starved.start(f"{option}=64", "ppo.iterations=1")
    again.until(lambda: "going on with" in again.output)
    assert f"after step {REFT}" in again.output
    again.until_at("sampling")
    limit_memory(again.pid, room + 300)
    assert again.wait() == 0, again.output
    assert starved.result["status"] == "finished"


def test_a_model_that_does_not_fit_at_all(repo: Path, tmp_path: Path) -> None:
    starved = Run(repo, tmp_path, *SMALL, "model.scratch.hidden_size=4096", "model.scratch.layers=100")
    session = starved.start()
    limit_memory(session.pid, 2000)
    assert session.wait() == 1
    said = session.output.splitlines()[-1]
    assert said.startswith("error: out of memory while loading the model (")
    assert said.endswith("; take a smaller model, or a machine with more memory.")
    assert not starved.path.exists()


def test_a_loss_that_is_not_finite(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    options = ("warmup.lr=1", "warmup.max_grad_norm=1e30", "warmup.weight_decay=1e30", "checkpoint.every=1")
    with pytest.raises(
        RunFailed, match=r"the gradient is nan at optimiser step \d+; lower the learning rate\."
    ) as failed:
        finish(directory, *SMALL, *options)
    result = result_of(directory)
    assert (result["status"], result["reason"]) == ("failed", str(failed.value))
    state = load_file(directory / "checkpoints" / "last" / "state.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in state.values())


@pytest.mark.parametrize(
    "said", ["CUDA driver error: out of memory", "DefaultCPUAllocator: can't allocate memory", "Cannot allocate memory"]
)
def test_lack_of_memory_is_known_by_what_is_said_of_it(said: str) -> None:
    assert is_memory(RuntimeError(said))
    assert not is_memory(RuntimeError("device-side assert triggered"))
