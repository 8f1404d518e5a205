"""docs/frame.md describes the frames that there are."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from reft_lab.analysis import load
from reft_lab.analysis.found import STATES
from reft_lab.answers.outcome import KINDS
from tests.docs.pages import REPO, code_spans, rows, section

PAGE = REPO / "docs" / "frame.md"


def described(heading: str) -> list[str]:
    """The names in the first column of a table, in order."""
    names = [name for row in rows(section(PAGE, heading)) for name in code_spans(row[0])]
    stages, splits = ("warmup", "final", "baseline_sft"), ("dev", "test")
    expanded: list[str] = []
    for name in names:
        if name.startswith("STAGE_SPLIT"):
            expanded += [
                name.replace("STAGE", stage).replace("SPLIT", split) for stage, split in product(stages, splits)
            ]
        else:
            expanded += [name.replace("KIND", kind) for kind in KINDS] if "KIND" in name else [name]
    return expanded


def test_every_column_of_the_table_is_described_and_there(made: Path) -> None:
    table = load(made).table
    named = [column for column in table if not column.startswith("config.")]
    assert sorted(named) == sorted(set(described("The table")) - {"config.KEY"})
    first = described("The table")[: named.index("warmup_dev_accuracy")]
    assert named[: len(first)] == first


def test_the_types_are_as_described(made: Path) -> None:
    table = load(made).table
    kinds = {"text": "str", "whole number": "Int64", "time, UTC": "datetime64[us, UTC]", "s": "float64"}
    kinds |= {"share": "float64", "problems": "float64", "number": "float64"}
    for row in rows(section(PAGE, "The table")):
        for name in code_spans(row[0]):
            if name in table:
                assert str(table[name].dtype) == kinds[row[1]], name


def test_the_other_frames_are_described(made: Path) -> None:
    runs = load(made)
    assert described("The history") == list(runs.history())
    assert {"warmup_answer", "warmup_outcome"} < set(runs.predictions())
    assert {name for row in rows(section(PAGE, "States")) for name in code_spans(row[0])} == set(STATES)
