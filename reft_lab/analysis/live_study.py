"""A study or any folder of runs under way, looked at again and again."""

from __future__ import annotations

import csv
import statistics
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reft_lab.analysis.found import FINISHED, RUNNING, STATUSES, Found
from reft_lab.analysis.live import MACHINE, LiveRun
from reft_lab.analysis.load import run_directories
from reft_lab.metrics import DOWN, find
from reft_lab.run_dir.files import HYDRA, REPORT, RESULT

TABLE, LOGS, JOURNAL = "study.csv", "logs", "journal.log"
ACCURACY = "accuracy"  # the objective of a study that is no metric: of the chosen checkpoint
BEST, LATEST = "eval/best_accuracy", "eval/accuracy"
QUIET = 90.0  # seconds in which no run works and nothing is written, after which nobody works on a study any more
UNVARIED = ("study.", "tracker.", "hydra.")  # options that tell no runs apart


@dataclass
class Row:
    """One run of a study.

    Attributes:
        run: what it is doing; of one that ended, what it left.
        words: all that it was given on its command line.
        settings: those of them that not all runs were given.
        value: of the objective so far; None before the first.
        changed: when its result was written, in nanoseconds; 0 where there is none.
    """

    run: LiveRun
    words: tuple[str, ...]
    settings: tuple[str, ...] = ()
    value: float | None = None
    changed: int = 0

    @property
    def found(self) -> Found:
        """The run as files tell of it."""
        return self.run.found


class LiveStudy:
    """The runs in a folder.

    Attributes:
        folder: where they are.
        rows: the runs, by their directories.
        metric: what counts in the study.
        states: the trials of the study by number, as its table has them; empty where there is none.
        is_over: whether nobody works on it any more.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.rows: dict[Path, Row] = {}
        self.metric = ACCURACY
        self.states: dict[int, str] = {}
        self._took: list[float] = []  # seconds of the trials that ended
        self.look()

    def look(self) -> None:
        """Take in what is new."""
        now = list(run_directories(self.folder))
        for gone in self.rows.keys() - set(now):
            del self.rows[gone]
        for directory in now:
            row, changed = self.rows.get(directory), _written(directory / RESULT)
            if row is None:
                metrics = (BEST, LATEST)
                row = self.rows[directory] = Row(LiveRun(directory, also=metrics), _words(directory))
                objective = str(row.found.config.get("study.objective") or ACCURACY)
                if objective not in (ACCURACY, *metrics):
                    row.run = LiveRun(directory, also=(*metrics, objective))
                self.metric = objective
            elif not (row.found.state in STATUSES and row.run.is_over and changed == row.changed):
                row.run.look()
            row.changed, row.value = changed, _value(row.run, self.metric)
        shared = set.intersection(*(set(row.words) for row in self.rows.values())) if len(self.rows) > 1 else set()
        for row in self.rows.values():
            row.settings = tuple(word for word in row.words if word not in shared and not word.startswith(UNVARIED))
        self._read_table()
        self.is_over = self._is_over()

    @property
    def running(self) -> list[Row]:
        """The runs that a process works on."""
        return [row for row in self.rows.values() if row.found.state == RUNNING]

    @property
    def is_minimised(self) -> bool:
        """Whether less of what counts is better."""
        return self.metric != ACCURACY and find(self.metric).better == DOWN

    @property
    def best(self) -> Row | None:
        """The finished run with the best value, the first where several are equally good."""
        finished = [row for row in self.rows.values() if row.found.state == FINISHED and row.value is not None]
        return (min if self.is_minimised else max)(finished, key=lambda row: row.value or 0.0, default=None)

    @property
    def ended(self) -> int:
        """Trials that ended."""
        return sum(state not in ("waiting", RUNNING) for state in self.states.values())

    @property
    def left(self) -> float | None:
        """Seconds that it still takes if trials take as long as those that ended; None where none did."""
        running = self.running
        if not self._took or not running:
            return None
        mean, missing = statistics.fmean(self._took), len(self.states) - self.ended
        begun = sum(min(mean, row.run.seconds or 0.0) for row in running)
        return max(0.0, missing * mean - begun) / len(running)

    @property
    def load(self) -> dict[str, dict[str, float]]:
        """How busy the machines are that runs are under way on, by host: metrics of machine/, as their runs have them
        from their last steps; what is the runs' own is added up."""
        values: dict[str, dict[str, list[float]]] = {}
        for row in self.running:
            host = values.setdefault(row.found.host or "", {})
            for name, value in row.run.load.items():
                host.setdefault(name, []).append(value)
        return {
            host: {
                name: sum(each) if name.startswith(f"{MACHINE}run_") else statistics.fmean(each)
                for name, each in found.items()
            }
            for host, found in sorted(values.items())
        }

    def _read_table(self) -> None:
        states, took = {}, []
        with suppress(OSError, ValueError, KeyError, TypeError, csv.Error):
            with (self.folder / TABLE).open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    states[int(row["trial"])] = row["state"]
                    if row["state"] not in ("waiting", RUNNING):
                        took.append(float(row["seconds"]))
            self.states, self._took = states, took

    def _is_over(self) -> bool:
        if any(not row.run.is_over for row in self.rows.values()):
            return False
        table, page = _written(self.folder / TABLE), _written(self.folder / REPORT)
        if self.states and self.ended == len(self.states) and page >= table:
            return True
        signs = [table, page, _written(self.folder / JOURNAL), *(row.changed for row in self.rows.values())]
        signs += [_written(file) for file in (self.folder / LOGS).glob("*.txt")]
        return time.time() - max(signs) / 1e9 > QUIET


def _value(run: LiveRun, metric: str) -> float | None:
    """What a run has come to."""
    if metric == ACCURACY:
        result = run.found.result
        scores = result.get("final")
        score = scores.get(result.get("selection")) if isinstance(scores, Mapping) else None
        if isinstance(score, Mapping) and isinstance(score.get("accuracy"), int | float):
            return float(score["accuracy"])
    names = (BEST, LATEST) if metric == ACCURACY else (metric,)
    return next((run.curves[name].last for name in names if name in run.curves), None)


def _words(directory: Path) -> tuple[str, ...]:
    """What a run was given on its command line."""
    try:
        found: Any = yaml.safe_load((directory / HYDRA / "overrides.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return ()
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _written(file: Path) -> int:
    """When a file was written, in nanoseconds; 0 where there is none."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0
