"""The picture on the README's first screen: the five seeds of docs/default.md, seed by seed and on the mean.

.venv/bin/python benchmarks/default_picture.py
"""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

from reft_lab.charts.palette import LOOK, painted

REPO = Path(__file__).resolve().parents[1]
TABLE, PICTURE = REPO / "docs" / "default.md", REPO / "docs" / "pictures" / "default.svg"
POLICIES = {"after warm-up": "warmup", "best SFT": "sft", "after ReFT": "reft"}  # with their colours
WIDTH, HEIGHT = 560, 132
ACCURACY = "test accuracy, %"


def measured(page: Path = TABLE) -> list[dict[str, Any]]:
    """The accuracies on test in the table `Five seeds`: seed, policy and per cent."""
    table = page.read_text(encoding="utf-8").split("\n## Five seeds\n")[1].split("\n## ")[0]
    found = []
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0].isdecimal():
            found += [
                {"seed": int(cells[0]), "policy": policy, ACCURACY: float(value)}
                for policy, value in zip(POLICIES, cells[4:7], strict=True)
            ]
    return found


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Write the picture as SVG: a dot a seed, a bar at the mean."""
    import altair as alt

    means = [
        {"policy": policy, ACCURACY: round(fmean(row[ACCURACY] for row in rows if row["policy"] == policy), 1)}
        for policy in POLICIES
    ]
    place = alt.Y("policy:N", sort=list(POLICIES), title=None)
    across = alt.X(f"{ACCURACY}:Q", scale=alt.Scale(domain=[40, 80]))
    colour = alt.Color(
        "policy:N",
        scale=alt.Scale(domain=list(POLICIES), range=[f"var(--{name})" for name in POLICIES.values()]),
        legend=None,
    )
    dots = alt.Chart(alt.InlineData(rows)).mark_circle(size=70, opacity=0.6).encode(across, place, colour)
    bars = alt.Chart(alt.InlineData(means)).mark_tick(thickness=3, size=30).encode(across, place, colour)
    words = bars.mark_text(dy=-22, fontWeight=600).encode(text=alt.Text(f"{ACCURACY}:Q", format=".1f"))
    seeds = len({row["seed"] for row in rows})
    chart = (dots + bars + words).properties(
        width=WIDTH,
        height=HEIGHT,
        title=alt.Title(
            "The default run: what reinforcement adds",
            subtitle=f"greedy accuracy on 500 test questions, a dot for each of {seeds} seeds, a bar at their mean",
        ),
    )
    alt.Chart.from_dict(painted(chart.configure(**LOOK).to_dict())).save(str(path))


if __name__ == "__main__":
    draw(measured(), PICTURE)
    print(PICTURE)
