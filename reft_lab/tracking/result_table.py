"""The end of a run on the terminal: accuracies side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from reft_lab.data.near import NEAR
from reft_lab.evaluation.decoded import MEANING, WAYS, points_of
from reft_lab.methods import method_of, result_labels
from reft_lab.numbers import interval, per_cent


def result_table(result: Mapping[str, Any]) -> Table:
    """The accuracies of a result.json, with n and 95 % intervals."""
    selection = "" if result["selection"] == "dev" else " (checkpoint picked on the test set)"
    table = Table(title=f"{result['name']}: greedy accuracy{selection}", title_justify="left")
    table.add_column("", no_wrap=True)
    for split in ("dev", "test"):
        table.add_column(f"{split} %", justify="right", no_wrap=True)
        table.add_column("95 % interval", justify="right", no_wrap=True)
        table.add_column("n", justify="right", no_wrap=True)
    for key, label in result_labels(method_of(result)).items():
        if scores := result.get(key):
            table.add_row(label, *_cells(scores["dev"]), *_cells(scores["test"]))
    table.caption, table.caption_justify = overlap(result), "left"
    return table


def decoding_table(result: Mapping[str, Any]) -> Table | None:
    """Accuracies of decoding from several samples, by how many; None where none were drawn."""
    points = points_of(result)
    if not points:
        return None
    last = max(point.k for point in points)
    table = Table(title=f"test accuracy by samples k, from {last} of each question", title_justify="left")
    table.add_column("", no_wrap=True)
    places = sorted({point.k for point in points})
    for k in places:
        table.add_column(str(k), justify="right", no_wrap=True)
    table.add_column(f"95 % interval at {last}", justify="right", no_wrap=True)
    for way, label in WAYS.items():
        curve = {point.k: point for point in points if point.way == way}
        if curve:
            shares = [per_cent(curve[k].accuracy) if k in curve else "" for k in places]
            end = curve[max(curve)]
            table.add_row(label, *shares, interval(end.low, end.high))
    table.caption, table.caption_justify = MEANING, "left"
    return table


def overlap(result: Mapping[str, Any]) -> str | None:
    """What of the test accuracy is on near-duplicates of training questions; None where there are none, or it is not
    known."""
    try:
        parts = result["test_by_overlap"][NEAR]
        inside, outside = (parts[name] and _share(parts[name]) for name in ("in_train", "not_in_train"))
        if not inside:
            return None
        right = [round(part["accuracy"] * part["n"]) for part in parts.values() if part]
    except (KeyError, TypeError, ValueError):
        return None
    others = f"and {outside[0]} % of the other {outside[1]}" if outside else "and there are no others"
    sentence = (
        f"{inside[0]} % of the {inside[1]} test questions that are nearly a training question (other numbers, other "
        f"names, a few other words) are right, {others}"
    )
    return f"{sentence}: {per_cent(right[0] / sum(right))} % of the right answers." if sum(right) else f"{sentence}."


def _share(score: Mapping[str, Any]) -> tuple[str, int]:
    return per_cent(score["accuracy"]), int(score["n"])


def _cells(score: Mapping[str, Any] | None) -> list[str]:
    if score is None:
        return ["", "", ""]
    return [per_cent(score["accuracy"]), interval(*score["ci95"]), str(score["n"])]
