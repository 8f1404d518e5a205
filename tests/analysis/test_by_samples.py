"""Accuracies by the number of samples, of whole and of damaged results."""

from __future__ import annotations

from dataclasses import replace

from reft_lab.analysis.by_samples import by_samples
from tests.analysis.frames import found, runs_of


def test_what_is_damaged_is_left_out() -> None:
    whole = {"accuracy": 0.5, "n": 10, "ci95": [0.2, 0.8]}
    decoding = {"vote": {"1": whole, "many": whole, "2": {"accuracy": None}, "4": 3}, "pass": None}
    runs = [found("a", test=0.4), found("b", test=0.4), found("c", state="running")]
    runs = [replace(run, result={**run.result, "decoding": decoding}) for run in runs]
    runs[1].result.pop("final")
    frame = by_samples(runs_of(*runs, found("d", test=0.4)))
    assert [tuple(row) for row in frame[["run", "decoding", "k", "value"]].to_numpy()] == [
        ("a", "greedy", 1, 0.4),
        ("a", "vote", 1, 0.5),
        ("b", "vote", 1, 0.5),
    ]
