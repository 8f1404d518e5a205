"""The run directory: a contract that people, notebooks and tests read (docs/run-directory.md)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reft_lab.config.schema import Config
from reft_lab.errors import BadInput
from reft_lab.run_dir import disk
from reft_lab.run_dir.files import (
    AUDIT,
    CHECKPOINTS,
    CONFIG,
    CRITIC_AUDIT,
    LOG,
    METRICS,
    PASSPORT,
    PREDICTIONS,
    REPORT,
    RESERVE,
    RESULT,
    SAMPLES,
)
from reft_lab.run_dir.json_lines import LineFile, line
from reft_lab.run_dir.lock import RunLock
from reft_lab.run_dir.log import Log
from reft_lab.run_dir.progress import ProgressFile
from reft_lab.run_dir.reading import read_lines, read_object

OF_THE_END = (RESULT, PREDICTIONS, AUDIT, REPORT)


class RunDirectory:
    """Writes the files of one run, and keeps other processes out of its directory until `close`.

    Lines are on their way to the disk when a method returns, whole files are renamed into place. Where the disk
    refuses, methods raise RunFailed with one sentence. `log` is for what the run says, `progress` for how far it is.
    """

    def __init__(self, path: Path, *, resume: bool = False):
        """Take `path` for a new run, or with `resume` to go on with the run that is in it.

        Raises:
            BadInput: another process works in it, it cannot be written to, it holds a run already, or with `resume`
                holds none.
        """
        self.path = path
        self.log, self.progress = Log(path / LOG), ProgressFile(path)
        _check(path, resume)
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = RunLock(path)
            try:
                _check(path, resume)  # another run may have come and gone since
                self.progress.remove()  # of a session that was killed
                self._reserve = disk.Reserve(path)
                self._metrics = LineFile(path / METRICS)
                self._samples = LineFile(path / SAMPLES)
            except BaseException:
                (path / RESERVE).unlink(missing_ok=True)
                self._lock.release()
                raise
        except OSError as error:
            advice = "make it writable and resume again" if resume else "name another: hydra.run.dir=DIR"
            raise BadInput(f"the run directory {path} cannot be written to ({error.strerror}); {advice}.") from error

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints go."""
        return self.path / CHECKPOINTS

    def writing(self, name: str) -> AbstractContextManager[None]:
        """For what is written to `name` in the directory by others: inside, a refusal of the disk raises RunFailed."""
        return disk.explained(self.path / name, self.path)

    def write_config(self, config: Config) -> None:
        """config.yaml: the resolved config that runs."""
        from omegaconf import OmegaConf

        self._replace(CONFIG, OmegaConf.to_yaml(OmegaConf.create(asdict(config))))

    def write_passport(self, passport: Mapping[str, Any]) -> None:
        """passport.json: where the run came from."""
        self._replace(PASSPORT, json.dumps(passport, indent=2) + "\n")

    def passport(self) -> dict[str, Any]:
        """What passport.json says; nothing where there is none, or a damaged one."""
        return read_object(self.path / PASSPORT) or {}

    def add_resumption(self, entry: Mapping[str, Any]) -> None:
        """One more entry of passport.json's `resumed`."""
        passport = self.passport()
        self.write_passport(passport | {"resumed": [*passport.get("resumed", []), entry]})

    def append_metrics(self, record: Mapping[str, Any]) -> None:
        """One line of metrics.jsonl."""
        with self.writing(METRICS):
            self._metrics.append([record])

    def append_samples(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Lines of samples.jsonl."""
        with self.writing(SAMPLES):
            self._samples.append(records)

    def metrics(self) -> Iterator[dict[str, Any]]:
        """The lines of metrics.jsonl so far."""
        return read_lines(self._metrics.path)

    def samples(self) -> Iterator[dict[str, Any]]:
        """The lines of samples.jsonl so far."""
        return read_lines(self._samples.path)

    def predictions(self) -> Iterator[dict[str, Any]]:
        """The lines of predictions.jsonl; none before the end."""
        return read_lines(self.path / PREDICTIONS)

    def sync(self) -> None:
        """Have all lines on the disk itself; before a checkpoint that counts on them."""
        for file in (self._metrics, self._samples):
            with self.writing(file.path.name):
                file.sync()

    def rewind(self, step: int) -> list[str]:
        """Go back to where the run stood after `step`; 0 is its beginning.

        metrics.jsonl and samples.jsonl keep the lines up to `step`; what an earlier session wrote at its end goes.

        Returns:
            A sentence for each file that had damaged lines, other than a torn last one.
        """
        notes = []
        for name in OF_THE_END:
            with self.writing(name):
                (self.path / name).unlink(missing_ok=True)
        for file in (self._metrics, self._samples):
            with self.writing(file.path.name):
                damaged = file.cut(step)
            if damaged:
                notes.append(f"{file.path.name} had {damaged} damaged lines, which are left out.")
        return notes

    def write_predictions(self, records: Iterable[Mapping[str, Any]]) -> None:
        """predictions.jsonl: the final test set, one line a problem."""
        self._replace(PREDICTIONS, "".join(line(record) for record in records))

    def write_critic_audit(self, text: str) -> None:
        """critic_audit.json: the critic against Monte-Carlo values."""
        self._replace(CRITIC_AUDIT, text)

    def write_result(self, result: Mapping[str, Any]) -> None:
        """result.json, the last file of a run; there is space for it even on a full disk."""
        self._reserve.give_up()
        self._replace(RESULT, json.dumps(result, indent=2) + "\n")

    def close(self) -> None:
        """Let go of the directory. Nothing is written after this."""
        self._metrics.close()
        self._samples.close()
        self.progress.remove()
        self._reserve.give_up()
        self._lock.release()

    def _replace(self, name: str, text: str) -> None:
        with self.writing(name):
            disk.replace(self.path / name, text)


class Bystander(RunDirectory):
    """The directory as a process sees it that shares the run with the one that writes: it reads, and writes nothing but
    its parts of a state."""

    def __init__(self, path: Path):
        self.path = path
        nowhere = Path(os.devnull)
        self.log, self.progress = Log(nowhere), ProgressFile(nowhere)

    def append_metrics(self, record: Mapping[str, Any]) -> None:
        pass

    def append_samples(self, records: Iterable[Mapping[str, Any]]) -> None:
        pass

    def metrics(self) -> Iterator[dict[str, Any]]:
        return read_lines(self.path / METRICS)

    def samples(self) -> Iterator[dict[str, Any]]:
        return read_lines(self.path / SAMPLES)

    def sync(self) -> None:
        pass

    def rewind(self, step: int) -> list[str]:
        return []

    def write_result(self, result: Mapping[str, Any]) -> None:
        pass

    def close(self) -> None:
        pass

    def _replace(self, name: str, text: str) -> None:
        pass


def _check(path: Path, resume: bool) -> None:
    holds_run = (path / CONFIG).exists()
    if holds_run and not resume:
        raise BadInput(
            f"{path} already holds a run; leave out hydra.run.dir to get a new directory, or name another one."
        )
    if resume and not holds_run:
        raise BadInput(f"{path} holds no run to go on with (it has no {CONFIG}); name the directory of a run.")
