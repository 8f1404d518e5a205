"""A study of the paper with the tiny model, from its command to the table that is pasted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reft_lab.cli import main
from tests.real_run import REPO

SMALL = (
    *("debug=quick", "tracker=none", "data.train_size=24", "data.dev_size=8", "data.test_size=12"),
    *("model.scratch.hidden_size=16", "model.scratch.layers=1", "model.scratch.heads=2", "ppo.max_new_tokens=8"),
)


@pytest.mark.long
def test_a_study_says_how_many_runs_it_is_and_ends_in_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sweeps=paper/small_models", "model=tiny", "data=arithmetic", "sweeps.seeds=[0]", *SMALL]
    ended = subprocess.run(
        [sys.executable, str(REPO / "run.py"), "-m", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    before, _, _ = ended.stdout.partition("1/2")
    assert "2 trials on 1 seed: 2 runs, in " in before
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["table", "paper_small_models", "--markdown"])
    assert not end.value.code
    out = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in out.splitlines() if line.startswith("|")]
    by_method = {row[0]: row for row in rows}
    assert by_method["SFT"][1] == "23.70"  # of Galactica-125M on GSM8K
    assert by_method["ReFT"][rows[0].index("Seeds")] == "1"
    assert "tiny on arithmetic stands beside Galactica-125M on GSM8K" in out
    assert "Galactica-125M" in (tmp_path / "multirun" / "paper_small_models" / "report.html").read_text()
