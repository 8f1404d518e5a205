"""Many steps into a W&B run at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

WINDOW = 1000  # messages under way before the next one waits, so that their queue stays small


def replay(run: Any, rows: Iterable[tuple[int, Mapping[str, float]]]) -> None:
    """Log each step with its numbers, as `run.log` does.

    `run.log` waits for W&B's service at every step. The messages here are the ones it sends, but they belong to no
    public interface: pyproject.toml pins the minor version of wandb, and tests read back what was logged.
    """
    from wandb.proto import wandb_internal_pb2

    messages: Any = wandb_internal_pb2  # its classes are made at run time
    for number, (step, row) in enumerate(rows):
        record = messages.Record()
        history = record.request.partial_history
        for name, value in row.items():
            history.item.add(key=name, value_json=json.dumps(value))
        history.step.num = step
        history.action.flush = True
        run._interface._publish(record, nowait=number % WINDOW != 0)
