"""A reward of one's own that fails in the middle of a run, which goes on with a mended one."""

from __future__ import annotations

import re
from pathlib import Path

from tests.runner.leftovers import assert_same
from tests.runner.processes import Run

SMALL = (
    "tracker=none",
    "tracker.report=false",
    "baseline=null",
    "reward=own_reward.careful",
    "data.train_size=48",
    "data.dev_size=16",
    "data.test_size=16",
    "warmup.epochs=1",
    "ppo.iterations=4",
    "ppo.rollouts=16",
    "ppo.mini_batch=8",
    "ppo.max_new_tokens=24",
    "ppo.eval_every=4",
)
GOOD = """
def careful(outcome, question, response, length, step):
    if step == 2:
        pass
    return float(outcome.kind == "correct") + len(response) / (len(question) + length)
"""
BAD = GOOD.replace("pass", "return undefined")


def test_a_run_whose_reward_fails_goes_on_with_a_mended_one(repo: Path, tmp_path: Path) -> None:
    whole, broken = Run(repo, tmp_path / "whole", *SMALL), Run(repo, tmp_path / "broken", *SMALL)
    (whole.folder / "own_reward.py").write_text(GOOD)
    whole.finish()

    (broken.folder / "own_reward.py").write_text(BAD.replace("step == 2", "step >= 0"))
    session = broken.start()
    assert session.wait() == 2, session.output
    (said,) = session.output.splitlines()
    assert said.startswith("error: the reward own_reward.careful (own_reward.py:2) raised NameError: ")
    assert not broken.path.exists()

    (broken.folder / "own_reward.py").write_text(BAD)
    session = broken.start()
    assert session.wait() == 1, session.output
    assert "Traceback" not in session.output
    said = session.output.splitlines()[-1]
    found = re.fullmatch(
        r"error: the reward own_reward\.careful \(own_reward\.py:2\) raised NameError: name 'undefined' is not defined "
        r'in line 4 for a response to question (\S+) \(outcome \w+, .*, gold \S+, text ".*"\); a reward must be a '
        r"finite number; mend it under the same name \(the state is saved, a traceback is in log\.txt\) and go on: "
        r"\S+ .*run\.py resume=run",
        said,
    )
    assert found is not None, said
    assert (broken.result["status"], broken.result["reason"]) == ("failed", said.removeprefix("error: "))
    log = (broken.path / "log.txt").read_text()
    assert "Traceback (most recent call last)" in log
    assert "return undefined" in log

    session = broken.start()
    assert session.wait() == 1
    assert "after step 5" in session.output  # the warm-up's 3 and 2 iterations: nothing was lost

    (broken.folder / "own_reward.py").write_text(GOOD)
    broken.finish()
    assert_same(whole.path, broken.path)
