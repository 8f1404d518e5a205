"""`reft audit-critic` on a real run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.ended import Ended
from tests.real_run import copied
from tests.real_run import made as real

__all__ = ["real"]

FEW = ("--problems", "5", "--states", "3", "--continuations", "2")


@pytest.fixture
def run(real: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(real, tmp_path / "run", symlinks=True))


def test_it_says_whether_the_critic_is_any_good(run: Path, reft: Callable[..., Ended]) -> None:
    before = {file: file.read_bytes() for file in run.rglob("*.json*") if file.is_file()}
    ended = reft("audit-critic", str(run), *FEW)
    assert (ended.code, ended.err) == (0, "")
    assert "critic at iteration 3 (last)" in ended.out
    assert "Is the critic any good? " in ended.out
    assert ended.out.endswith(f"{run / 'critic_audit.json'}\n{run / 'report.html'}\n")
    audits = json.loads((run / "critic_audit.json").read_text())["audits"]
    assert audits[-1]["overall"]["states"] == len(audits[-1]["states"]) == 15
    assert audits[-1]["settings"] == {
        "critic_problems": 5,
        "critic_states": 3,
        "critic_continuations": 2,
        "critic_split": "train",
    }
    page = (run / "report.html").read_text()
    assert "What the critic expects, and what comes" in page
    assert audits[-1]["sentence"] in page
    assert {file: file.read_bytes() for file in before} == before

    # The same again is the same; another split stands beside it.
    reft("audit-critic", str(run), *FEW, "--checkpoint", "last", "--split", "dev")
    again = json.loads((run / "critic_audit.json").read_text())["audits"]
    assert again[:-1] == audits
    assert (again[-1]["settings"]["critic_split"], again[-1]["when"]) == ("dev", "iteration 3")
    reft("audit-critic", str(run), *FEW)
    assert sorted(map(str, json.loads((run / "critic_audit.json").read_text())["audits"])) == sorted(map(str, again))


def test_a_run_without_a_critic_or_without_the_state_is_refused(real: Path, tmp_path: Path, reft) -> None:
    run = copied(real, tmp_path / "run")
    assert "holds no state with a trained critic" in reft("audit-critic", str(run)).sentence
    (run / "checkpoints").symlink_to(real / "checkpoints")
    sentence = reft("audit-critic", str(run), "--checkpoint", "lats").sentence
    assert "--checkpoint lats: " in sentence
    assert "holds no such state; it has " in sentence
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("credit: gae", "credit: batch"))
    assert reft("audit-critic", str(run)).sentence == (
        f"the run in {run} has no critic (ppo.credit=batch), so there is none to audit."
    )
    assert not (run / "critic_audit.json").exists()
