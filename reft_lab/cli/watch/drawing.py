"""What pictures on the terminal are made of: lines that fit its width, bars, sparklines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from rich.console import Console
from rich.text import Text

from reft_lab.analysis.live import MACHINE
from reft_lab.charts.palette import COLOURS
from reft_lab.metrics import SHARE, Metric
from reft_lab.numbers import memory, per_cent, plain

SPARKS = "▁▂▃▄▅▆▇█"
FULL, EMPTY = "━", "─"
_CONSOLE = Console()  # rich wants one to wrap text
STATE_COLOURS = {"running": "link", "finished": "good", "failed": "bad", "crashed": "bad", "damaged": "bad"}


def colour(name: str) -> str:
    """A colour of the palette, as rich takes it; those of the light theme are seen on black as well."""
    return COLOURS[name][0]


def state(word: str) -> Text:
    """The state of a run in its colour."""
    return Text(word, f"bold {colour(STATE_COLOURS.get(word, 'muted'))}")


def fitted(line: Text, width: int) -> Text:
    """A line, cut at `width` columns with an ellipsis."""
    line = line.copy()
    line.truncate(width, overflow="ellipsis")
    line.no_wrap = True
    return line


def joined(parts: Iterable[Text | str], width: int, indent: str = "  ", between: str = "  ") -> list[Text]:
    """Parts side by side on as few lines as hold them whole; further lines are indented."""
    lines: list[Text] = []
    for part in (Text(part) if isinstance(part, str) else part for part in parts):
        if lines and lines[-1].cell_len + len(between) + part.cell_len <= width:
            lines[-1] = Text.assemble(lines[-1], between, part)
        else:
            lines.append(Text.assemble(indent if lines else "", part))
    return [fitted(line, width) for line in lines]


def wrapped(text: str, width: int, most: int, indent: str = "", style: str = "") -> list[Text]:
    """Text on at most so many lines, the last of which ends in an ellipsis where it was not all."""
    whole = Text("".join(sign if sign.isprintable() else " " for sign in " ".join(text.split())), style)
    lines = list(whole.wrap(_CONSOLE, max(1, width - len(indent)), overflow="fold"))
    if len(lines) > most:
        last = lines[most - 1]
        last.truncate(max(1, width - len(indent) - 1))
        lines = [*lines[: most - 1], Text.assemble(last, "…")]
    return [fitted(Text.assemble(indent, line), width) for line in lines]


def bar(share: float, width: int, style: str) -> Text:
    """A bar of `width` columns."""
    full = min(width, max(0, math.floor(share * width)))
    return Text.assemble((FULL * full, style), (EMPTY * (width - full), "dim"))


def sparkline(values: Sequence[float], width: int) -> str:
    """The shape of a curve in at most `width` columns, from its least to its greatest value."""
    if not values or width < 1:
        return ""
    columns = min(width, len(values))
    cuts = [round(place * len(values) / columns) for place in range(columns + 1)]
    means = [sum(values[low:high]) / (high - low) for low, high in pairwise(cuts)]
    least, span = min(means), max(means) - min(means)
    if span == 0:
        return SPARKS[0] * columns
    return "".join(SPARKS[min(len(SPARKS) - 1, int((mean - least) / span * len(SPARKS)))] for mean in means)


def number(value: float, metric: Metric) -> str:
    """A value of a metric, shares in per cent."""
    return f"{per_cent(value)} %" if metric.unit == SHARE else plain(value)


def load(values: Mapping[str, float], width: int, whose: str, host: str = "") -> list[Text]:
    """How busy a machine is, by its metrics, as far as they are known, and what of that is the run's.

    Args:
        values: metrics of machine/.
        width: columns.
        whose: who is meant by the run: `this run`.
        host: the name of the machine, where there are several.
    """
    parts: list[str] = []
    for name, is_of in (("cpu", "CPU"), ("memory", "RAM"), ("gpu", "GPU"), ("gpu_memory", "GPU memory")):
        all_of_it, own = values.get(f"{MACHINE}{name}"), values.get(f"{MACHINE}run_{name}")
        if all_of_it is None:
            continue
        told = ""
        if own is not None:
            told = f" ({whose} {memory(own * 2**30) if name.endswith('memory') else f'{per_cent(own, 0)} %'})"
        parts.append(f"{is_of} {per_cent(all_of_it, 0)} %{told}")
    return joined([host or "machine", *parts], width) if parts else []
