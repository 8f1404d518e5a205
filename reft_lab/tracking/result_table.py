"""The end of a run on the terminal: accuracies side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from reft_lab.data.near import NEAR
from reft_lab.evaluation.decoded import MEANING, WAYS, points_of
from reft_lab.methods import method_of, result_labels
from reft_lab.numbers import interval, per_cent, points


def result_table(result: Mapping[str, Any]) -> Table:
    """The accuracies of a result.json, with n and 95 % intervals."""
    selection = "" if result["selection"] == "dev" else " (checkpoint picked on the test set)"
    method = method_of(result)
    table = Table(title=f"{result['name']}: {method.measure}{selection}", title_justify="left")
    table.add_column("", no_wrap=True)
    for split in ("dev", "test"):
        table.add_column(f"{split} %", justify="right", no_wrap=True)
        table.add_column("95 % interval", justify="right", no_wrap=True)
        table.add_column("n", justify="right", no_wrap=True)
    for key, label in result_labels(method).items():
        if scores := result.get(key):
            table.add_row(label, *_cells(scores["dev"]), *_cells(scores["test"]))
    said = filter(None, (overlap(result), both_rules(result)))
    table.caption, table.caption_justify = "\n".join(said) or None, "left"
    return table


def both_rules(result: Mapping[str, Any]) -> str | None:
    """One sentence on what picking the checkpoint on test adds in this run; None where it was not looked at."""
    try:
        rules = result["selection_rules"]
        by_dev, by_test = (per_cent(rules[split]["accuracy"]) for split in ("dev", "test"))
        added, among = points(rules["inflation"]), int(rules["candidates"])
    except (KeyError, TypeError, ValueError):
        return None
    return (
        f"Of the same run, the checkpoint that is best on test has {by_test} % there, and the one that is best on dev "
        f"{by_dev} %: picking on test among {among} evaluations adds {added} points."
    )


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
