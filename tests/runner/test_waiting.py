"""A run that is done before its baseline says that it waits, and shows how far the baseline is."""

from __future__ import annotations

import io
import re
import time
from contextlib import closing
from pathlib import Path

from rich.console import Console

from reft_lab.config.schema import Config
from reft_lab.run_dir.directory import RunDirectory
from reft_lab.runner.baseline import Baseline, follow
from reft_lab.tracking.display import Display, Silence


def train(config: Config, directory: Path) -> None:
    """What a baseline does, without a model."""
    display = Silence()
    with closing(RunDirectory(directory)) as run, display.kept_in(run.log, run.progress):
        for title, unit in (("SFT", "steps"), ("test, best SFT", "problems")):
            with display.stage(title, 3, unit) as bar:
                for step in (1, 2, 3):
                    time.sleep(1.1)
                    bar.update(step, loss=1 / step)
        run.write_result({"status": "finished", "reason": None, "final": None})


def test_waiting_is_said_and_shown(tmp_path: Path) -> None:
    said = io.StringIO()
    display = Display(Console(file=said, force_terminal=True, width=100, color_system=None))
    baseline = Baseline(Config(baseline="sft"), tmp_path, train)
    baseline.start()
    try:
        follow(baseline, display)
    finally:
        baseline.stop()
    assert baseline.wait()["status"] == "finished"
    shown = said.getvalue()
    assert shown.startswith("waiting for the SFT baseline")
    assert re.search(r"waiting: SFT .*/3 ", shown)
    assert "waiting: test, best SFT" in shown
    assert re.search(r"waited .* s for the SFT baseline\n$", shown)
    before = len(shown)
    follow(baseline, display)
    assert len(said.getvalue()) == before, "there is nothing to wait for"
