"""Tables of sampled responses in W&B: one for each evaluated step, in the row of that step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

SAMPLES = "samples"
COLUMNS = ("step", "question", "response", "answer", "gold", "outcome", "reward")


def table(run: Any, step: int, records: Sequence[Mapping[str, Any]]) -> Any:
    """A table of records of samples.jsonl, without what is known of their tokens, to be logged by `run` at `step`.

    `run.log` would ask the server about the artifact that goes with a table, and wait for its answers. It is published
    beforehand here, as W&B does offline; `run.log` then finds nothing to do. That belongs to no public interface:
    pyproject.toml pins the minor version of wandb, and tests look at what arrives.
    """
    import wandb
    from wandb.sdk.artifacts._internal_artifact import InternalArtifact

    rows = [[record.get(column) for column in COLUMNS] for record in records]
    made = wandb.Table(columns=list(COLUMNS), data=rows)
    artifact = InternalArtifact(f"run-{run.id}-{SAMPLES}", "run_table")
    artifact.add(made, SAMPLES)
    artifact.finalize()
    run._interface.publish_artifact(run, artifact, aliases=["latest"])
    made.bind_to_run(run, SAMPLES, step)
    return made


def by_step(
    metrics: Iterator[dict[str, Any]], samples: Iterator[dict[str, Any]]
) -> Iterator[tuple[int, dict[str, Any], list[dict[str, Any]]]]:
    """The lines of metrics.jsonl, each with the records of samples.jsonl of its step; both files are in order of steps.

    Yields:
        The step, its numbers, its samples.
    """
    groups = groupby(samples, key=lambda record: record["step"])
    step, group = next(groups, (None, iter(())))
    for line in metrics:
        while step is not None and step < line["step"]:
            step, group = next(groups, (None, iter(())))
        yield line["step"], line, list(group) if step == line["step"] else []
