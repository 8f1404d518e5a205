"""When alarms were on, from the metrics `alarm/NAME`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reft_lab.metrics import find

PREFIX = "alarm/"


@dataclass(frozen=True)
class Alarm:
    """One alarm that was on.

    Attributes:
        name: as in docs/alarms.md.
        meaning: what it says, empty for one we do not know.
        times: (first step, last step) of each time.
    """

    name: str
    meaning: str
    times: list[tuple[int, int]]


def alarms_of(history: Iterable[Mapping[str, Any]]) -> list[Alarm]:
    """The alarms that were on in a run, those that began first before others."""
    times: dict[str, list[tuple[int, int]]] = {}
    on: set[str] = set()
    for line in history:
        step = line.get("step")
        if type(step) is not int:
            continue
        now = {name.removeprefix(PREFIX) for name, value in line.items() if name.startswith(PREFIX) and value == 1}
        for name in now:
            spells = times.setdefault(name, [])
            if name in on:
                spells[-1] = (spells[-1][0], step)
            else:
                spells.append((step, step))
        on = now
    return [Alarm(name, find(PREFIX + name).meaning, spells) for name, spells in times.items()]
