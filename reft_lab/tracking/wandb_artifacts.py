"""What W&B keeps as artifacts: a table of sampled responses for each evaluated step, and the best checkpoint.

The only place that reaches into private parts of wandb, for tables: `run.log` would first ask the server what it has
under the name of a table, and where the server has gone away wait up to 20 seconds for the answer at each evaluation,
and a run in training never waits for a server. So the artifact of a table is handed to W&B's own process directly.
pyproject.toml pins the minor version of wandb, and tests look at what arrives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reft_lab.tracking.recorder import COLUMNS, SAMPLES, rows

PATIENCE = 60.0  # seconds that an upload may take beside what its size takes
SLOWEST = 1e6  # bytes a second; an upload slower than this is given up, and left to `wandb sync`


def table(run: Any, step: int, records: Sequence[Mapping[str, Any]]) -> Any:
    """A table of records of samples.jsonl, without what is known of their tokens, to be logged by `run` at `step`.

    The artifact that goes with it is published here, as W&B does offline; `run.log` then finds nothing to do.
    """
    import wandb
    from wandb.sdk.artifacts._internal_artifact import InternalArtifact

    made = wandb.Table(columns=list(COLUMNS), data=rows(records))
    artifact = InternalArtifact(f"run-{run.id}-{SAMPLES}", "run_table")
    artifact.add(made, SAMPLES)
    artifact.finalize()
    run._interface.publish_artifact(run, artifact, aliases=["latest"])
    made.bind_to_run(run, SAMPLES, step)
    return made


def log_checkpoint(run: Any, folder: Path, metadata: Mapping[str, Any]) -> None:
    """Upload a checkpoint as the artifact `checkpoint-RUN_ID` of type model, alias `best`.

    Its files are read where they are: W&B makes no copy of them, neither to stage them nor for its cache. Offline, that
    means that `wandb sync` needs them where they are now.

    Online, the upload is waited for.

    Raises:
        Exception: it took too long, or the server does not want it.
    """
    import wandb

    artifact = wandb.Artifact(f"checkpoint-{run.id}", type="model", metadata=dict(metadata))
    size = 0
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = str(file.relative_to(folder))
        artifact.add_file(str(file), name=name, policy="immutable", skip_cache=True)
        size += file.stat().st_size
    run.log_artifact(artifact, aliases=["best"])
    if not run.offline:
        artifact.wait(timeout=int(PATIENCE + size / SLOWEST))
