"""A checkpoint in W&B, where the user asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

PATIENCE = 60.0  # seconds that an upload may take beside what its size takes
SLOWEST = 1e6  # bytes a second; an upload slower than this is given up, and left to `wandb sync`


def log_checkpoint(run: Any, folder: Path, metadata: Mapping[str, Any]) -> None:
    """Upload a checkpoint as the artifact `checkpoint-RUN_ID` of type model, alias `best`.

    Its files are read where they are: W&B makes no copy of them, neither to stage them nor for its cache. Offline, that
    means that `wandb sync` needs them where they are now.

    Args:
        run: the W&B run; online, the upload is waited for.
        folder: a transformers folder.
        metadata: what is said of it.

    Raises:
        TimeoutError: it took too long.
        RuntimeError: the server does not want it.
    """
    import wandb

    artifact = wandb.Artifact(f"checkpoint-{run.id}", type="model", metadata=dict(metadata))
    size = 0
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = str(file.relative_to(folder))
        artifact.add_file(str(file), name=name, policy="immutable", skip_cache=True)
        size += file.stat().st_size
    artifact.finalize()
    if run.offline:
        run.log_artifact(artifact, aliases=["best"])
        return
    # run.log_artifact would first ask the server what it has under this name, and wait for the answer without a limit.
    sent = run._interface.deliver_artifact(run, artifact, ["latest", "best"], None, run.step, is_user_created=True)
    answer = sent.wait_or(timeout=PATIENCE + size / SLOWEST).response.log_artifact_response
    if answer.error_message:
        raise RuntimeError(f"the checkpoint was not uploaded: {answer.error_message}")
