"""What a run was expected to take, next to what it took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reft_lab.methods import STAGES
from reft_lab.metrics import SAMPLED, part
from reft_lab.numbers import change, duration, memory


@dataclass(frozen=True)
class Compared:
    """One line of a table.

    Attributes:
        name: of what.
        expected, taken: in words.
        apart: by how much what was taken is more or less than expected, in per cent.
    """

    name: str
    expected: str
    taken: str
    apart: str


@dataclass(frozen=True)
class Estimates:
    """Both tables.

    Attributes:
        memory: by phase, the largest of all last; empty where nothing is known.
        at_most: what texts as long as they may be would have taken.
        shared: whether phases take over what earlier ones have freed, so that the last line alone tells.
        time: by stage and part; empty where there was no preflight.
        made: when that was.
    """

    memory: list[Compared]
    at_most: str
    shared: bool
    time: list[Compared]
    made: str


def estimates_of(result: Mapping[str, Any]) -> Estimates | None:
    """What result.json says of both; None where it says nothing, or is damaged."""
    try:
        found = result["memory"]
        preflight = result.get("preflight")
        return Estimates(
            list(_of_memory(found)),
            memory(found["at_most"]),
            found["device"] != "cuda",
            [] if preflight is None else list(_of_time(result, preflight)),
            "" if preflight is None else str(preflight["made"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _of_memory(found: Mapping[str, Any]) -> Iterator[Compared]:
    for name, sizes in found["phases"].items():
        if sizes["expected"] is not None and sizes["measured"] is not None:
            yield _compared(name, sizes["expected"], sizes["measured"], memory)
    yield _compared("at the peak", found["expected"], found["measured"], memory)


def _of_time(result: Mapping[str, Any], preflight: Mapping[str, Any]) -> Iterator[Compared]:
    for stage, expected in preflight["speed"].items():
        taken = result["speed"].get(stage, {})
        label = STAGES[stage].label if stage in STAGES else stage
        for name, value in expected.items():
            if name == SAMPLED and name in taken:
                yield _compared(f"{label}: tokens sampled in a step", value, taken[name], "{:,.0f}".format)
            elif name != "steps" and name in taken:
                yield _compared(f"{label}: {part(name)}", value, taken[name], _seconds)
    yield _compared("the whole run", preflight["seconds"], result["seconds"]["total"], duration)


def _seconds(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 1 else duration(seconds)


def _compared(name: str, expected: float, taken: float, words: Any) -> Compared:
    return Compared(name, words(expected), words(taken), change(taken / expected) if expected else "")
