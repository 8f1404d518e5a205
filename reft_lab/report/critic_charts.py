"""What audits of the critic found, in charts: the last one by position, and all of them over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from reft_lab.charts.chart import Axes, Chart, Curve, Line
from reft_lab.charts.curves import line_chart
from reft_lab.evaluation.critic import Agreement
from reft_lab.run_dir.files import CRITIC_AUDIT
from reft_lab.run_dir.reading import read_object

PERFECT = "a perfect critic"


def critic_charts(
    directory: Path | None, recorded: tuple[Curve, Curve], *, colour: str, axis: Mapping[str, Any]
) -> Iterator[Chart | None]:
    """Charts of critic_audit.json in a run directory, and of what was recorded while training.

    Args:
        directory: of the run; None where it has none.
        recorded: critic/explained_variance and critic/attainable by iteration.
        colour: of the critic.
        axis: of iterations, as fields of Axes.
    """
    stored = read_object(directory / CRITIC_AUDIT) if directory else None
    audits = [audit for audit in (stored or {}).get("audits") or [] if _is_whole(audit)]
    if audits:
        last = audits[-1]
        yield line_chart(
            "critic-values",
            "What the critic expects, and what comes",
            [
                Line("Monte Carlo", _along(last, "monte_carlo"), "muted", "dots"),
                Line("critic", _along(last, "value"), colour, "dots"),
            ],
            _places("reward of a response"),
            about=f"At {last['when']}. {last['sentence']}",
            wide=True,
        )
        yield line_chart(
            "critic-positions",
            "Explained variance by position",
            [
                Line("critic", _along(last, "explained_variance"), colour, "dots"),
                Line(PERFECT, _along(last, "attainable"), "muted", "dashed"),
            ],
            _places("explained variance"),
            about=f"Of Monte-Carlo values at {last['when']}. 0 is no better than a constant.",
        )
    explained, attainable = recorded
    if not explained and len(audits) > 1:
        explained, attainable = _over_time(audits, "explained_variance"), _over_time(audits, "attainable")
        axis = {"x": "iteration"}
    yield line_chart(
        "critic-time",
        "When the critic becomes good",
        [Line("critic", explained, colour, "dots"), Line(PERFECT, attainable, "muted", "dashed")],
        Axes("explained variance", **axis),
        about="Of Monte-Carlo values. 0 is no better than a constant.",
    )


def _is_whole(audit: Any) -> bool:
    """Whether an entry of critic_audit.json has what is drawn; one that is damaged is passed over."""
    try:
        parts = [*audit["by_tenth"].values(), audit["overall"]]
        drawn = [part[field.name] for part in parts for field in fields(Agreement)]
        tenths = map(str.isdecimal, audit["by_tenth"])
        return (
            all(value is None or isinstance(value, int | float) for value in drawn)
            and all(tenths)
            and isinstance(audit["sentence"], str)
            and isinstance(audit["when"], str)
            and type(audit["iteration"]) is int
        )
    except (KeyError, TypeError, AttributeError):
        return False


def _places(y: str) -> Axes:
    return Axes(y, "position in the response, %", span=(0.0, 100.0))


def _along(audit: Mapping[str, Any], name: str) -> Curve:
    at = {10.0 * int(tenth) - 5: found[name] for tenth, found in audit["by_tenth"].items()}
    return [(x, y) for x, y in sorted(at.items()) if y is not None]


def _over_time(audits: list[dict[str, Any]], name: str) -> Curve:
    at = {float(audit["iteration"]): audit["overall"][name] for audit in audits}
    return [(x, y) for x, y in sorted(at.items()) if y is not None]
