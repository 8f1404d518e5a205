"""A study under way: what its terminal shows of running trials, and what `reft watch` shows of the whole."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from reft_lab.analysis.live_study import LiveStudy
from reft_lab.cli.watch.study_picture import StudyPicture
from reft_lab.run_dir.directory import RunDirectory
from reft_lab.run_dir.progress import Doing
from reft_lab.studies.objective import Objective
from reft_lab.studies.terminal import TrialLines
from tests.cli.written import write_run
from tests.studies.stand_in import definition_in

SAID = Doing("ReFT", "iterations", 24, 60, 0.4, 123.0, 3.4, {"reward": 0.31, "dev": 0.42})


def begin(folder: Path, *overrides: str) -> RunDirectory:
    """A run that this process works on."""
    write_run(folder, *overrides, right=None)
    (folder / ".hydra").mkdir()
    (folder / ".hydra" / "overrides.yaml").write_text(json.dumps([*overrides, "study.trial=1"]))
    lines = [{"step": step, "seconds": step, "eval/best_accuracy": step / 10} for step in (1, 2, 3)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    directory = RunDirectory(folder, resume=True)
    directory.progress.write(SAID)
    return directory


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Path]:
    """A study of four trials: two ended, the third is under way, the last waits."""
    folder = tmp_path / "multirun" / "kl"
    for number, right in ((0, range(4)), (1, range(7))):
        run = write_run(folder / str(number), f"ppo.kl_coef=0.{number}", right=right)
        (run / ".hydra").mkdir()
        (run / ".hydra" / "overrides.yaml").write_text(json.dumps([f"ppo.kl_coef=0.{number}", "data=arithmetic"]))
    with closing(begin(folder / "2", "ppo.kl_coef=0.2", "data=arithmetic")):
        with (folder / "study.csv").open("w") as file:
            table = csv.DictWriter(file, ["trial", "state", "ppo.kl_coef", "accuracy", "seconds"])
            table.writeheader()
            states = ("finished", "finished", "running", "waiting")
            table.writerows({"trial": n, "state": state, "seconds": 100} for n, state in enumerate(states))
        yield folder


@pytest.mark.parametrize("width", [56, 80, 160])
def test_a_picture_of_a_study(study: Path, width: int) -> None:
    lines = [line.plain for line in StudyPicture(study).lines(width)]
    assert max(map(cell_len, lines)) <= width
    shown = " ".join(" ".join(lines).split())
    assert "2 of 4 trials ended 2 finished 1 running" in shown
    assert "3 min 17 s left, if trials take as long as those that ended" in shown  # 200 s, of which 3 are done
    assert "best accuracy 70.0 % 1 ppo.kl_coef=0.1" in shown
    under_way, best, other = shown.index("2 running"), shown.index("1 finished acc"), shown.index("0 finished acc")
    assert under_way < best < other
    running = shown[under_way:best]
    for part in ("accuracy 30.0 %", "ppo.kl_coef=0.2", "ReFT", "24/60 iterations", "40 %", "left", "━"):
        assert part in running
    assert "data=arithmetic" not in shown, "all runs have it"


def test_a_picture_of_many_runs_fits_the_screen(study: Path) -> None:
    for number in range(3, 40):
        shutil.copytree(study / "1", study / str(number))
    lines = [line.plain for line in StudyPicture(study).lines(80, 20)]
    assert len(lines) == 20
    assert lines[-1].startswith("and ")
    assert lines[-1].endswith(" runs more")


def test_a_study_is_over_when_nobody_works_on_it(study: Path) -> None:
    live = LiveStudy(study)
    assert not live.is_over
    closing_run = study / "2"
    (closing_run / ".lock").unlink()  # as if its process were gone
    live.look()
    assert not live.is_over, "the next trial may be about to begin"
    long_ago = time.time() - 3600
    for file in (study / "study.csv", *study.glob("*/result.json")):
        os.utime(file, (long_ago, long_ago))
    live.look()
    assert live.is_over
    assert "nobody works on it any more" in " ".join(line.plain for line in StudyPicture(study).lines(160))


def test_a_study_that_is_done_is_over_at_once(study: Path) -> None:
    (study / "2" / ".lock").unlink()
    text = (study / "study.csv").read_text().replace("running", "failed").replace("waiting", "pruned")
    (study / "study.csv").write_text(text)
    assert not LiveStudy(study).is_over
    (study / "report.html").touch()
    assert LiveStudy(study).is_over


def test_the_terminal_of_a_study_shows_trials_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    objectives = (Objective("accuracy", "maximize"), Objective("ppo/kl_ref", "minimize"))
    definition = replace(definition_in(tmp_path), objectives=objectives)
    lines = TrialLines(definition, said.append)
    lines.started(3)
    lines.started(4)
    lines.started(5)
    lines.put_back(5)
    run = definition.folder / "4" / "seed-1"
    with closing(RunDirectory(run)) as directory:
        directory.append_metrics({"step": 1, "ppo/kl_ref": 0.25})
        directory.progress.write(SAID)
        starting, under_way = lines.running()
        assert starting == "trial 3: starting"
        told = r"trial 4, seed 1: ReFT 24/60 iterations, 40 %, 2 min( \d s)? left, dev 42\.0 %, ppo/kl_ref 0\.25"
        assert re.fullmatch(told, under_way)
        lines.look()
        assert said == []
        monkeypatch.setattr("reft_lab.studies.terminal.SECONDS_BETWEEN_LINES", 0.0)
        lines.look()
        assert len(said) == 2
