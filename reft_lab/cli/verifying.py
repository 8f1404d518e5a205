"""`reft verify`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from reft_lab.cli.finding import find_run
from reft_lab.errors import BadInput
from reft_lab.installed import command


def verify(name: str, to: Path | None) -> dict[str, Any]:
    """Run a finished run again, and print what is equal.

    Args:
        name: a run, as `find_run` takes it.
        to: where the new run goes and stays; None: a temporary folder, which stays where something differs.

    Returns:
        `equal`, whether all is, and the same for each part; `again`, where the new run is, unless it is gone.

    Raises:
        BadInput: there is no such run, it is not finished, or `to` is there already.
        RunFailed: the new run could not be brought to its end.
    """
    from reft_lab.config.check import check
    from reft_lab.run_dir.files import PASSPORT
    from reft_lab.run_dir.passport import apart
    from reft_lab.run_dir.reading import read_object
    from reft_lab.run_dir.saved import read
    from reft_lab.runner.verification import verify as run_again
    from reft_lab.tracking.display import Display

    directory = Path(str(find_run(name).directory))
    saved = read(directory)
    if not saved.finished:
        raise BadInput(
            f"the run in {directory} has not finished, so there is no end to verify; go on with it first: "
            f"{command()} resume={directory}"
        )
    if to is not None and to.exists():
        raise BadInput(f"--to {to} exists already; name a new folder.")
    passport = read_object(directory / PASSPORT)
    config = check(saved.experiment)
    warnings = _warnings(config.budget.seconds, None if passport is None else apart(passport))
    for sentence in warnings:
        print(f"note: {sentence}", flush=True)
    home = None if to is not None else Path(tempfile.mkdtemp(prefix="reft-verify-"))
    folder = to or Path(str(home)) / "run"
    kept = False
    try:
        verdicts = run_again(config, directory, folder, Display())
        kept = not all(verdict.is_equal for verdict in verdicts)
    finally:
        if home is not None and not kept:
            shutil.rmtree(home, ignore_errors=True)
    for verdict in verdicts:
        print(f"{'equal' if verdict.is_equal else 'DIFFERENT':<10} {verdict.part}: {verdict.sentence}")
    stays = kept or to is not None
    if stays:
        print(f"the new run is in {folder}")
    parts = {each.part: {"equal": each.is_equal, "sentence": each.sentence} for each in verdicts}
    again = str(folder) if stays else None
    return {"run": str(directory), "equal": not kept, "parts": parts, "notes": warnings, "again": again}


def _warnings(seconds: float | None, differences: list[str] | None) -> list[str]:
    """What may well lead to another result, before hours are spent on it."""
    found = (
        [] if seconds is None else [f"budget.seconds={seconds:g} ends training by the clock, at another step each time"]
    )
    if differences is None:
        return [*found, "there is no passport, so neither commit nor versions nor data are known"]
    return [*found, *differences]
