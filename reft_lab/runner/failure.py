"""Why a run cannot go on, in one sentence that says what to do."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from reft_lab import installed
from reft_lab.config.schema import Config
from reft_lab.errors import LOADING, OutOfMemory, RewardFailed, RunFailed, is_memory
from reft_lab.ranks.ranks import is_of_loss, lost
from reft_lab.text import from_here, one_line


def resume_command(directory: Path, *overrides: str) -> str:
    """The command that goes on with the run in `directory`, for the shell and the folder that this one came from."""
    python = "python" if shutil.which("python") == sys.executable else str(from_here(Path(sys.executable)))
    return shlex.join([python, *installed.words(), f"resume={from_here(directory)}", *overrides])


def explain(error: BaseException, config: Config, directory: Path) -> RunFailed | None:
    """The sentence for an error that a run can meet without anyone having made a mistake; None for any other."""
    if isinstance(error, RewardFailed):
        return RunFailed(
            f"{error}; mend it under the same name (the state is saved, a traceback is in log.txt) and go on: "
            f"{resume_command(directory)}"
        )
    if isinstance(error, RunFailed):
        return error
    if is_of_loss(error):
        return lost(error)
    if isinstance(error, FloatingPointError):
        return RunFailed(f"{error}.")
    if isinstance(error, OutOfMemory):
        return RunFailed(_out_of_memory(error, config, directory))
    if is_memory(error):
        return RunFailed(f"out of memory ({one_line(error)}); free some, then go on: {resume_command(directory)}")
    return None


def _out_of_memory(error: OutOfMemory, config: Config, directory: Path) -> str:
    trainer = config.trainer
    if error.phase == LOADING:
        return str(too_large(error))
    if error.phase in ("sampling", "evaluating"):
        lower = f"trainer.decode_batch={max(1, trainer.decode_batch // 2)}"
        now = f"trainer.decode_batch (now {trainer.decode_batch})"
    else:
        lower = f"trainer.tokens_per_micro_batch={max(64, trainer.tokens_per_micro_batch // 2)}"
        now = f"trainer.tokens_per_micro_batch (now {trainer.tokens_per_micro_batch})"
    return f"{_what_happened(error)}; lower {now}: {resume_command(directory, lower)}"


def too_large(error: OutOfMemory) -> RunFailed:
    """The sentence for a model that does not fit at all."""
    return RunFailed(f"{_what_happened(error)}; take a smaller model, or a machine with more memory.")


def _what_happened(error: OutOfMemory) -> str:
    return f"out of memory while {error.phase} ({one_line(error.__cause__)})"
