"""Every colour that is named anywhere is in the palette, on white and on black."""

from __future__ import annotations

import json
import re

import pytest

from reft_lab.answers.outcome import KINDS
from reft_lab.charts.palette import COLOURS, LOOK, css, painted, setting_colours, stage_colour, variable
from reft_lab.methods import STAGES


def luminance(colour: str) -> float:
    """From 0 (black) to 1 (white), as WCAG has it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_pages_name_no_colour_that_there_is_not(repo):
    folder = repo / "reft_lab" / "report" / "templates"
    text = "".join(file.read_text(encoding="utf-8") for file in folder.iterdir())
    of_elements = {"key", "tone", "amount", "font"}  # set where they are used
    assert set(re.findall(r"var\(--([a-z_-]+[0-9]?)[,)]", text)) <= COLOURS.keys() | of_elements
    assert set(re.findall(r"--([\w-]+): #", css())) == COLOURS.keys()


def test_each_outcome_and_stage_has_its_colour():
    assert {*KINDS, *map(stage_colour, STAGES)} <= COLOURS.keys()


@pytest.mark.parametrize("dark", [False, True])
def test_words_can_be_read_and_lines_can_be_seen(dark):
    paper = COLOURS["paper"][dark]
    assert all(contrast(COLOURS[name][dark], paper) >= 4.5 for name in ("ink", "muted", "link", "good", "bad"))
    assert all(contrast(COLOURS[stage_colour(name)][dark], paper) >= 3 for name in STAGES)


@pytest.mark.parametrize("dark", [False, True])
def test_painted_leaves_no_variable(dark):
    assert "var(" not in json.dumps(painted(LOOK, dark))
    assert painted({"a": [variable("ink"), 1]}, dark) == {"a": [COLOURS["ink"][dark], 1]}


def test_numbers_are_coloured_by_their_order():
    assert setting_colours([0.2, 0.0, 0.01]) == ["seq-6", "seq-1", "seq-3"]
    assert setting_colours(["exact", "partial"]) == ["set-1", "set-2"]
    assert setting_colours([True, False]) == ["set-1", "set-2"]
    assert setting_colours(range(10))[-3:] == ["set-8", "other", "other"]
