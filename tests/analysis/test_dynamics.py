"""Where the time of a run went, and that the metrics that are drawn exist."""

from __future__ import annotations

import pytest

from reft_lab.analysis import dynamics
from reft_lab.analysis.dynamics import PARTS, REST, TIMES, seconds_by_part
from reft_lab.analysis.reward_audit import METRICS
from reft_lab.methods import RECORDS
from reft_lab.metrics import recorded
from tests.analysis.frames import found, history, runs_of

ROWS = [
    ("a", 1, "time/step_seconds", 2.0),
    ("a", 2, "time/step_seconds", 3.0),
    ("a", 3, "time/update_seconds", 4.0),
    ("b", 1, "time/update_seconds", 1.0),
    ("b", 1, "time/update_tokens_per_second", 900.0),
]


def test_clocks_are_summed_and_the_rest_is_named():
    frame = seconds_by_part(history(ROWS), runs_of(found("a", seconds=10.0), found("b")).table)
    ours = frame[frame["run"] == "a"]
    assert list(ours["part"]) == ["supervised steps", "updates", REST]
    assert list(ours["seconds"]) == [5.0, 4.0, 1.0]
    assert list(ours["share"]) == pytest.approx([0.5, 0.4, 0.1])
    unknown = frame[frame["run"] == "b"]
    assert list(zip(unknown["part"], unknown["share"], strict=True)) == [("updates", 1.0)]


def test_no_clocks_make_an_empty_frame():
    assert seconds_by_part(history([]), runs_of(found("a", seconds=10.0)).table).empty


def test_metrics_that_are_drawn_are_recorded():
    drawn = {*dynamics.SUPERVISED, *dynamics.LEARNING, *dynamics.ROLLOUTS, *dynamics.POLICY, *dynamics.VALUE}
    assert drawn | set(TIMES) | set(METRICS) <= set(recorded(RECORDS, switches=None))
    assert len(PARTS) == len(set(PARTS))
