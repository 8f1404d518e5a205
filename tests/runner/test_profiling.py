"""Profiles of a few steps: what is written, what is counted as which phase, and that nothing else changes."""

from __future__ import annotations

import gzip
import io
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from reft_lab.runner.profiling import ELSEWHERE, Event, Operation, dearest, found
from tests.runner.leftovers import outcome
from tests.runner.small_runs import SMALL, finish


@pytest.fixture(scope="module")
def profiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finish(tmp_path_factory.mktemp("profiled") / "run", *SMALL, "tracker.profile=1")


def names_in(trace: Path) -> list[str]:
    with gzip.open(trace) as file:
        return [event["name"] for event in json.load(file)["traceEvents"] if event.get("ph") == "X"]


def test_each_stage_leaves_a_trace_with_its_phases(profiled: Path) -> None:
    folder = profiled / "profile"
    assert sorted(file.name for file in folder.iterdir()) == ["operations.txt", "reft.json.gz", "warmup.json.gz"]
    warmup, reft = (names_in(folder / f"{stage}.json.gz") for stage in ("warmup", "reft"))
    assert warmup.count("training") == 1
    assert [reft.count(name) for name in ("sampling", "scoring", "updating")] == [1, 1, 1]
    assert "aten::addmm" in warmup or "aten::mm" in warmup
    first, second = (folder / "operations.txt").read_text().split("ReFT, 1 iteration ")
    assert "warm-up, 1 step from the second on: seconds of the CPU in its 10 dearest operations" in first
    rows = [line.split() for line in second.splitlines() if line.strip()]
    assert rows[1][:4] == ["operation", "calls", "seconds", "%"]
    assert rows[1][4:7] == ["sampling", "scoring", "updating"]
    lines = [line for line in second.splitlines() if line.strip()][3:13]  # names have blanks, numbers of phases gaps
    seconds = [float(re.findall(r" [\d,]+ +(\d+\.\d{3}) +\d+\.\d ", line)[0]) for line in lines]
    assert seconds == sorted(seconds, reverse=True)
    assert rows[-1][:2] == ["all", "operations"]


def test_a_trace_is_what_perfetto_reads(profiled: Path) -> None:
    """Chrome's trace event format: complete events on one time axis, phases one after the other, operations in them."""
    with gzip.open(profiled / "profile" / "reft.json.gz", "rt", encoding="utf-8") as file:
        events = json.load(file, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))["traceEvents"]
    assert {event["ph"] for event in events} <= set("XMBEiIsftnCbe")
    complete = [event for event in events if event["ph"] == "X"]
    assert all(isinstance(event["name"], str) and "pid" in event and "tid" in event for event in complete)
    assert all(math.isfinite(event["ts"]) and event["ts"] >= 0 and event["dur"] >= 0 for event in complete)
    assert overlapping(complete) == []
    starts, ends = ({event["id"] for event in events if event["ph"] == end} for end in "sf")
    assert starts == ends, "an arrow that leads nowhere"
    spans = {event["name"]: event for event in complete if event["name"] in ("sampling", "scoring", "updating")}
    sampling, scoring, updating = (spans[name] for name in ("sampling", "scoring", "updating"))
    for before, after in ((sampling, scoring), (scoring, updating)):
        assert before["ts"] + before["dur"] <= after["ts"]
    for span in (sampling, scoring, updating):
        inside = [event for event in complete if span["ts"] <= event["ts"] <= span["ts"] + span["dur"]]
        products = [event for event in inside if event["name"] in ("aten::mm", "aten::addmm", "aten::linear")]
        assert products
        assert all(event["ts"] + event["dur"] <= span["ts"] + span["dur"] for event in products)


def overlapping(complete: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Events of one thread that begin within another and end after it, which Perfetto drops; docs: its FAQ."""
    found = []
    threads: dict[tuple[Any, Any], list[dict[str, Any]]] = {}
    for event in complete:
        threads.setdefault((event["pid"], event["tid"]), []).append(event)
    for events in threads.values():
        around: list[tuple[float, str]] = []
        for event in sorted(events, key=lambda event: (event["ts"], -event["dur"])):
            while around and around[-1][0] <= event["ts"]:
                around.pop()
            end = event["ts"] + event["dur"]
            if around and end > around[-1][0] + 1e-3:  # rounding of a sum
                found.append((event["name"], around[-1][1]))
            around.append((end, event["name"]))
    return found


def test_a_table_of_80_columns_cuts_names_and_no_number() -> None:
    operations = [Operation("aten::name: " + "long" * 12, 12_345, {"sampling": 1.5, "scoring": 12.25, "updating": 0.5})]
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(dearest("what took long", ["sampling", "scoring", "updating", ELSEWHERE], operations))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    heads = next(line for line in lines if "operation " in line)
    assert heads.split() == ["operation", "calls", "seconds", "%", "sampling", "scoring", "updating", ELSEWHERE]
    (row,) = [line.split() for line in lines if "…" in line]
    assert row[:1] == ["name:"]
    assert row[2:] == ["12,345", "14.250", "100.0", "1.500", "12.250", "0.500"]
    assert max(map(len, lines)) <= 80


def test_a_profile_changes_nothing_else(small_run: Path, profiled: Path) -> None:
    assert outcome(profiled)["metrics.jsonl"] == outcome(small_run)["metrics.jsonl"]
    assert not (small_run / "profile").exists()


def test_operations_are_counted_where_they_ran() -> None:
    events = [
        Event("updating", 0, 100, 0.5),
        Event("sampling", 20, 40, 0.5),
        Event("mm", 5, 9, 1.0),
        Event("mm", 25, 35, 2.0),  # in the phase within
        Event("mm", 50, 60, 4.0),
        Event("add", 100, 110, 8.0),  # after all of them
        Event("nothing", 10, 11, 0.0),
    ]
    phases, (add, mm) = found(events, {"updating", "sampling"})
    assert phases == ["updating", "sampling", ELSEWHERE]
    assert (add.name, add.calls, dict(add.seconds)) == ("add", 1, {ELSEWHERE: 8.0})
    assert (mm.name, mm.calls, dict(mm.seconds)) == ("mm", 3, {"updating": 5.0, "sampling": 2.0})
    assert found([], set()) == ([], [])
