"""What every recorder of runs is, beside the run directory: W&B, Trackio and TensorBoard are ones.

metrics.jsonl and samples.jsonl are the truth that a recorder is brought up to when a run is resumed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from reft_lab.config.schema import Config
from reft_lab.errors import BadInput
from reft_lab.run_dir.directory import RunDirectory
from reft_lab.text import flatten

SAMPLES = "samples"  # the name of the tables of sampled responses
COLUMNS = ("step", "question", "response", "answer", "gold", "outcome", "reward")  # of samples.jsonl, in such a table


class Recorder(Protocol):
    """A run under way in one of them. What it raises ends its part in the run, never the run."""

    def log(self, step: int, record: Mapping[str, Any], samples: Sequence[Mapping[str, Any]] = ()) -> None:
        """Record numbers under their names at `step`, with a table of samples."""

    def finish(self, summary: Mapping[str, Any], exit_code: int, checkpoint: Path | None = None) -> str | None:
        """Close it with what there is to say of the run as a whole, `status` included; returns a sentence for the user,
        where there is one."""


# What comes of beginning, or going on, as config.tracker asks: the recorder, None where it is not wanted or cannot be
# had, and a sentence for the user where something was decided for them.
Start = tuple[Recorder | None, str | None]


def recorded(directory: RunDirectory) -> Iterator[tuple[int, dict[str, Any], list[dict[str, Any]]]]:
    """Each step of a run, its numbers in metrics.jsonl and its records of samples.jsonl; both are in order of steps."""
    groups = groupby(directory.samples(), key=lambda record: record["step"])
    step, group = next(groups, (None, iter(())))
    for line in directory.metrics():
        while step is not None and step < line["step"]:
            step, group = next(groups, (None, iter(())))
        numbers = {name: value for name, value in line.items() if name != "step"}
        yield line["step"], numbers, list(group) if step == line["step"] else []


def rows(samples: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """Records of samples.jsonl as rows of COLUMNS, without what is known of their tokens."""
    return [[record.get(column) for column in COLUMNS] for record in samples]


def options(config: Config, directory: RunDirectory) -> dict[str, Any]:
    """Every option by its dotted name, with the lineage of a fork; lists are text."""
    return flatten(asdict(config) | ({"lineage": fork} if (fork := directory.passport().get("fork")) else {}))


def split(summary: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, str]]:
    """The numbers of a summary, and its words; what is null is left out."""
    numbers = {name: float(value) for name, value in summary.items() if type(value) in (int, float)}
    words = {name: str(value) for name, value in summary.items() if isinstance(value, str)}
    return numbers, words


def need(option: str, package: str) -> None:
    """See that a package is installed.

    Raises:
        BadInput: it is not.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:  # a folder of that name is no package
        raise BadInput(
            f"tracker.{option}=true needs the package {package}: pip install 'reft_lab[{option}]'; or leave it out "
            "with tracker=none."
        )
