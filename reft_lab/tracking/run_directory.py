"""The run directory: a contract that people, notebooks and tests read (docs/run-directory.md)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reft_lab.config.schema import Config
from reft_lab.errors import BadInput


class RunDirectory:
    """Writes the files of one run. Lines are flushed as they come; whole files are renamed into place."""

    def __init__(self, path: Path):
        """Take `path` for a new run.

        Raises:
            BadInput: it holds a run already, or cannot be written to.
        """
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            if (path / "config.yaml").exists():
                raise BadInput(
                    f"{path} already holds a run; leave out hydra.run.dir to get a new directory, or name another one."
                )
            self._metrics = (path / "metrics.jsonl").open("a", encoding="utf-8")
            self._samples = (path / "samples.jsonl").open("a", encoding="utf-8")
        except OSError as error:
            raise BadInput(
                f"the run directory {path} cannot be written to ({error.strerror}); name another: hydra.run.dir=DIR."
            ) from error

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints go."""
        return self.path / "checkpoints"

    def write_config(self, config: Config) -> None:
        """config.yaml: the resolved config that runs."""
        from omegaconf import OmegaConf

        self._replace("config.yaml", OmegaConf.to_yaml(OmegaConf.create(asdict(config))))

    def write_passport(self, passport: Mapping[str, Any]) -> None:
        """passport.json: where the run came from."""
        self._replace("passport.json", json.dumps(passport, indent=2) + "\n")

    def append_metrics(self, record: Mapping[str, Any]) -> None:
        """One line of metrics.jsonl."""
        _append(self._metrics, [record])

    def append_samples(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Lines of samples.jsonl."""
        _append(self._samples, records)

    def write_predictions(self, records: Iterable[Mapping[str, Any]]) -> None:
        """predictions.jsonl: the final test set, one line a problem."""
        self._replace("predictions.jsonl", "".join(_line(record) for record in records))

    def write_result(self, result: Mapping[str, Any]) -> None:
        """result.json, the last file of a run."""
        self._replace("result.json", json.dumps(result, indent=2) + "\n")

    def close(self) -> None:
        """Close the files that lines are appended to."""
        self._metrics.close()
        self._samples.close()

    def _replace(self, name: str, text: str) -> None:
        part = self.path / f".{name}.part"
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path / name)


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


def _append(file: Any, records: Iterable[Mapping[str, Any]]) -> None:
    file.write("".join(_line(record) for record in records))
    file.flush()
