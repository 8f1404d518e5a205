"""The page of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reft_lab.analysis.data_audit import QUANTILES, DataAudit, Lengths
from reft_lab.charts.bars import bar_chart
from reft_lab.charts.chart import Chart
from reft_lab.report.page import chart_data, read, vega_script, write_page

BINS = 12
PAIRS = 60  # pairs of near-duplicates on the page


def data_page(audit: DataAudit, file: Path) -> Path:
    """Write what an audit of data found as one page that needs nothing else; returns `file`.

    Raises:
        OSError: the page cannot be written.
    """
    lengths = [drawn for number, each in enumerate(audit.lengths) if (drawn := _histogram(f"length-{number}", each))]
    answers = [
        drawn
        for each in audit.answers
        if (
            drawn := bar_chart(f"answers-{each.split}", f"Gold answers of {each.split}", _shares(each.common), unit="%")
        )
    ]
    return write_page(
        file,
        "data.html",
        [vega_script(), read("charts.js")],
        chart_data([*lengths, *answers]),
        title=audit.name,
        audit=audit,
        quantiles=QUANTILES,
        lengths=lengths,
        answers=answers,
        places=list(audit.duplicates["near"]),
        pairs=audit.pairs[:PAIRS],
    )


def _histogram(key: str, lengths: Lengths) -> Chart | None:
    """How many texts are of which length, in BINS bins of the same width but for the last 1 %, which are one."""
    last = lengths.quantiles[-2]
    width = max(1, -(-last // BINS))
    counts = [0] * (last // width + 1)
    beyond = 0
    for each in lengths.each:
        if each > last:
            beyond += 1
        else:
            counts[each // width] += 1
    first = next(place for place, count in enumerate(counts) if count)
    bars = [
        (f"{place * width} to {(place + 1) * width - 1}" if width > 1 else str(place), float(count), "reft")
        for place, count in enumerate(counts)
        if place >= first
    ]
    if beyond:
        bars.append((f"above {last}", float(beyond), "other"))
    return bar_chart(key, f"Tokens of {lengths.what}", bars, unit="problems")


def _shares(common: Sequence[tuple[str, float]]) -> list[tuple[str, float, str]]:
    return [(answer, round(100 * share, 2), "correct") for answer, share in common]
