"""The picture of docs/real.md: how the methods of the study sweeps/real.yaml come on, from its runs.

.venv/bin/python benchmarks/real_picture.py multirun/real
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reft_lab.analysis import load
from reft_lab.charts.palette import LOOK, painted
from reft_lab.run_dir.files import METRICS, RESULT
from reft_lab.run_dir.reading import read_lines

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "real.svg"
TIMED = ("step", "rollout", "update")  # what of a step has a time and a pace, and so tokens
NAMES = {"sft": "SFT", "reft": "ReFT", "online_st": "Online-ST"}  # of those whose name is not their label
COLOURS = {"SFT": "sft", "ReFT": "reft", "GRPO": "set-3", "Online-ST": "set-2"}
TOKENS = "response tokens, thousands"
WINDOW = 5  # iterations that a point of rollouts is the mean of
WIDTH, HEIGHT = 330, 210


def measured(study: Path) -> dict[str, list[dict[str, Any]]]:
    """Accuracies in per cent on dev and of rollouts over the tokens sampled and trained on, a row for each point."""
    found: dict[str, list[dict[str, Any]]] = {"dev": [], "rollouts": []}
    for run in load(study).table.itertuples():
        seen: list[float] = []
        for tokens, line in _spent(Path(run.directory)):
            at = {"method": NAMES.get(run.method, run.method), "run": run.run, TOKENS: round(tokens / 1000, 2)}
            if "eval/accuracy" in line:
                found["dev"].append(at | {"accuracy": 100 * line["eval/accuracy"]})
            if "rollout/accuracy" in line:
                seen = [*seen, 100 * line["rollout/accuracy"]][-WINDOW:]
                found["rollouts"].append(at | {"accuracy": round(sum(seen) / len(seen), 2)})
    return found


def _spent(directory: Path) -> Iterator[tuple[float, dict[str, Any]]]:
    """The lines of metrics.jsonl, each with the tokens up to it, which come to what result.json says in the end."""
    lines = list(read_lines(directory / METRICS))
    warmup = sum(map(_tokens, (line for line in lines if "rollout/accuracy" not in line)))
    rest = sum(map(_tokens, lines)) - warmup
    cost = json.loads((directory / RESULT).read_text())["cost"]
    scale = (cost["sampled_tokens"] + cost["trained_tokens"] - warmup) / rest if rest else 1.0
    tokens = 0.0
    for line in lines:
        tokens += _tokens(line) * (scale if "rollout/accuracy" in line else 1)
        yield tokens, line


def _tokens(line: dict[str, Any]) -> float:
    """By time and pace."""
    return sum(line.get(f"time/{part}_seconds", 0) * line.get(f"time/{part}_tokens_per_second", 0) for part in TIMED)


def draw(found: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Write the picture as SVG: a line a run, dev on the left, rollouts on the right."""
    import altair as alt

    colour = alt.Color(
        "method:N",
        title=None,
        scale=alt.Scale(domain=list(COLOURS), range=[f"var(--{name})" for name in COLOURS.values()]),
        legend=alt.Legend(orient="bottom"),
    )
    titles = {"dev": "dev, greedy, %", "rollouts": f"sampled responses that are right, %, mean of {WINDOW}"}
    panels = []
    for name, rows in found.items():
        across = alt.X(f"{TOKENS}:Q", scale=alt.Scale(nice=False))
        up = alt.Y("accuracy:Q", title=None, scale=alt.Scale(zero=False))
        chart = alt.Chart(alt.InlineData(rows)).mark_line(point=name == "dev", strokeWidth=2)
        chart = chart.encode(across, up, colour, detail="run:N")
        panels.append(chart.properties(width=WIDTH, height=HEIGHT, title=alt.Title(titles[name])))
    both = alt.hconcat(*panels).configure(**LOOK)
    alt.Chart.from_dict(painted(both.to_dict())).save(str(path))


if __name__ == "__main__":
    draw(measured(Path(sys.argv[1])), PICTURE)
    print(PICTURE)
