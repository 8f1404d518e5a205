"""TensorBoard's event files of a run, in its directory.

A session of a run writes them anew, all earlier steps included: they are read as one curve, whatever of them a kill
lost, and those of a state that the run went on from are not there twice.
"""

from __future__ import annotations

import html
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reft_lab.config.schema import Config
from reft_lab.errors import RunFailed
from reft_lab.run_dir.directory import RunDirectory
from reft_lab.run_dir.files import TENSORBOARD
from reft_lab.text import one_line
from reft_lab.tracking.recorder import COLUMNS, SAMPLES, Start, need, options, recorded, rows, split

SECONDS = 20  # between two times that events are written to disk


class TensorBoardRun:
    """A run under way."""

    def __init__(self, writer: Any, config: Mapping[str, Any], began: float):
        """`began` is when the run began, had it never stopped, in seconds since 1970."""
        self._writer = writer
        self._config = config
        self._began = began
        self._step = 0

    def log(self, step: int, record: Mapping[str, Any], samples: Sequence[Mapping[str, Any]] = ()) -> None:
        """Record numbers under their names at `step`, with the samples as a text."""
        self._step, moment = step, self._began + record["seconds"]
        for name, value in record.items():
            self._writer.add_scalar(name, value, step, walltime=moment)
        if samples:
            self._writer.add_text(SAMPLES, _table(COLUMNS, rows(samples)), step, walltime=moment)

    def finish(self, summary: Mapping[str, Any], exit_code: int, checkpoint: Path | None = None) -> None:
        """Close the files, with the numbers of the summary as scalars at the last step, and as the results of the
        config among the hyperparameters; its words are a text."""
        numbers, words = split(summary)
        self._writer.add_text("result", _table(("", "result"), list(words.items())), self._step)
        shown = {name: "null" if value is None else value for name, value in self._config.items()}
        self._writer.add_hparams(shown, numbers, run_name=".", global_step=self._step)
        self._writer.close()


def check(*, wanted: bool) -> None:
    """See that what is wanted is there.

    Raises:
        BadInput: it is not.
    """
    if wanted:
        need("tensorboard", "tensorboard")


def start(config: Config, directory: RunDirectory, seconds: float) -> Start:
    """Begin the files of a run, or those of another session, as `Start` says."""
    if not config.tracker.tensorboard:
        return None, None
    folder, began = directory.path / TENSORBOARD, time.time() - seconds
    try:
        from torch.utils.tensorboard import SummaryWriter

        with directory.writing(TENSORBOARD):
            is_anew = folder.exists()
            shutil.rmtree(folder, ignore_errors=True)
        # A TensorBoard that is open meanwhile forgets at purge_step what it has read of the earlier session.
        writer = SummaryWriter(log_dir=str(folder), purge_step=0 if is_anew else None, flush_secs=SECONDS)
        known = options(config, directory)
        writer.add_text("config", _table(("option", "value"), list(known.items())), 0, walltime=began)
        begun = TensorBoardRun(writer, known, began)
        for step, record, samples in recorded(directory):
            begun.log(step, record, samples)
    except RunFailed:
        raise
    except Exception as error:  # no trouble with it may end a run
        return None, f"TensorBoard: {one_line(error)}; the run goes on without it."
    return begun, None


def _table(head: Sequence[str], body: Sequence[Sequence[Any]]) -> str:
    """A table as TensorBoard's Markdown has it; what would be markup in a cell is shown as it is."""
    lines = [head, ["---"] * len(head), *([_cell(value) for value in row] for row in body)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    text = html.escape("" if value is None else str(value), quote=False)
    return text.replace("\\", "&#92;").replace("|", "&#124;").replace("`", "&#96;").replace("\n", "<br>")
