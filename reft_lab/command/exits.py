"""How a command that cannot go on ends: one sentence, and an exit code that tells why."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from reft_lab.command.quiet_start import exit_on_signals
from reft_lab.command.run_folder import remove_if_unused
from reft_lab.config.explain import explain
from reft_lab.errors import BadInput, RunFailed

FULL_ERROR = "HYDRA_FULL_ERROR"
WANTS_TRACEBACK = os.environ.get(FULL_ERROR) == "1"


@contextmanager
def exits_with_a_sentence() -> Iterator[None]:
    """Inside a single run, bad input or a failed run ends the process here and now, before Hydra adds lines of its own.

    The folder that Hydra made for a run that never began is taken away again. In a multirun the error is raised, and
    Hydra says which job it was.
    """
    directory = Path(HydraConfig.get().runtime.output_dir)
    exit_on_signals(lambda: remove_if_unused(directory))
    try:
        yield
    except (BadInput, KeyboardInterrupt, RunFailed) as error:
        remove_if_unused(directory)
        if isinstance(error, KeyboardInterrupt) or HydraConfig.get().mode == RunMode.MULTIRUN:
            raise
        exit_with_sentence(error)


def exit_with_sentence(error: Exception) -> NoReturn:
    """End the process: 1 if the run failed, 2 if something the user gave cannot be used."""
    if WANTS_TRACEBACK:
        traceback.print_exception(error)
    print(f"error: {error if isinstance(error, (BadInput, RunFailed)) else explain(error)}", file=sys.stderr)
    sys.exit(1 if isinstance(error, RunFailed) else 2)


def exit_interrupted(stop: KeyboardInterrupt) -> NoReturn:
    """End the process with 128 + the number of the signal, 130 where it is not known."""
    print("interrupted", file=sys.stderr)
    sys.exit(128 + getattr(stop, "signal", 2))
