"""The page of a run under way says how far it is and when that was."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reft_lab.analysis.found import Found
from reft_lab.report.facts import standing
from reft_lab.run_dir.progress import Doing

DOING = Doing("ReFT", "iterations", 24, 60, 0.4, 7200.0)
WHEN = r"when this page was written, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (
            Found("r", "directory", "running", doing=DOING),
            f"It was running {WHEN}: ReFT 24/60 iterations, 40 %, .* left.",
        ),
        (Found("r", "directory", "running", directory=Path("r")), f"It was running {WHEN}."),
        (Found("r", "directory", "crashed", doing=DOING), f"It had stopped {WHEN}: ReFT 24/60 iterations, 40 %, .*"),
        (Found("r", "directory", "finished", result={"status": "finished"}, doing=DOING), ""),
    ],
)
def test_how_far_a_run_is(run: Found, expected: str) -> None:
    assert re.fullmatch(expected, standing(run))
