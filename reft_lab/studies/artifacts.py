"""What optuna-dashboard shows of a trial beside its numbers: the page of each run, and what it sampled last."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from reft_lab.run_dir.files import REPORT, SAMPLES
from reft_lab.run_dir.reading import read_lines

if TYPE_CHECKING:
    from optuna.trial import Trial

FOLDER = "artifacts"  # in the folder of a study
PAGE, LINES = "text/html", "application/jsonl"
LEFT_OUT = ("tokens",)  # of a sample: numbers for each token


def attach(trial: Trial, directory: Path, store: Path) -> None:
    """Keep copies of report.html and of the last step in samples.jsonl of a run as artifacts of its trial.

    A run with a seed of its own in the study has it in the names of its files. What is not there is left out.

    Args:
        trial: which has not ended; afterwards Optuna takes nothing more.
        directory: of the run.
        store: the folder of artifacts.

    Raises:
        OSError: a file cannot be copied.
    """
    from optuna.artifacts import FileSystemArtifactStore, upload_artifact

    suffix = f"-{directory.name}" if directory.name.startswith("seed-") else ""
    store.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as place:
        named = {}
        if (directory / REPORT).is_file():
            named[Path(place, f"report{suffix}.html")] = PAGE
            shutil.copyfile(directory / REPORT, Path(place, f"report{suffix}.html"))
        if samples := _last(directory / SAMPLES):
            named[Path(place, f"samples{suffix}.jsonl")] = LINES
            text = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in samples)
            Path(place, f"samples{suffix}.jsonl").write_text(text, encoding="utf-8")
        for file, kind in named.items():
            upload_artifact(
                artifact_store=FileSystemArtifactStore(store), file_path=str(file), study_or_trial=trial, mimetype=kind
            )


def _last(file: Path) -> list[Mapping[str, Any]]:
    """The samples of the last step."""
    found: list[Mapping[str, Any]] = []
    for line in read_lines(file):
        if found and line.get("step") != found[-1].get("step"):
            found = []
        found.append({key: value for key, value in line.items() if key not in LEFT_OUT})
    return found
