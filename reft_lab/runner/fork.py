"""A run that forks from another: it has that run's record and state up to a moment, and goes on from there by itself.

It begins as one that is resumed at that moment: without a change it ends as the other did, bit for bit. Nothing in its
directory points to the other one, which may be moved or deleted as soon as the fork has begun.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reft_lab.config.schema import Config
from reft_lab.errors import BadInput
from reft_lab.methods import METHODS
from reft_lab.methods.reft import STAGE as REFT_STAGE
from reft_lab.policy.adapter_files import BASE
from reft_lab.run_dir.changes import Change
from reft_lab.run_dir.directory import RunDirectory
from reft_lab.run_dir.files import BEST, CHECKPOINTS, LAST, METRICS, SAMPLES, STATE, WARMUP, tensor_files
from reft_lab.run_dir.forked import Origin, check_fork, is_judged_otherwise
from reft_lab.run_dir.reading import read_lines
from reft_lab.runner.checkpoint import AFTER_WARMUP
from reft_lab.runner.progress import TRAINING, Best
from reft_lab.sealed import damage, link, link_file, sealed

TOKENIZER = "tokenizer_config.json"


class Fork:
    """Where a run sets out from.

    Attributes:
        threads: CPU threads that the other run used, where it says.
        tokenizer: a folder with its tokenizer, None where it wrote none yet.
    """

    def __init__(self, config: Config, origin: Origin, changes: list[Change]):
        self._config, self._origin, self._changes = config, origin, changes
        self._checkpoints = origin.run.directory / CHECKPOINTS
        self.threads: int | None = origin.passport.get("hardware", {}).get("threads")
        self.tokenizer = tokenizer_in(self._checkpoints)
        self._is_judged_otherwise = is_judged_otherwise(changes)

    @classmethod
    def of(cls, config: Config) -> Fork | None:
        """The fork that a config asks for; None where it asks for none.

        Raises:
            BadInput: there is nothing to fork from, or not with these options, or it is damaged.
        """
        found = check_fork(config)
        if found is None:
            return None
        fork = cls(config, *found)
        fork._check_files()
        return fork

    def check_inputs(self, data: str, tokenizer: str) -> None:
        """Take note of the hashes of data and tokenizer.

        Raises:
            BadInput: the tokenizer is another one than in the other run.
        """
        known = self._origin.passport.get("hashes", {})
        if known.get("tokenizer", tokenizer) != tokenizer:
            raise BadInput(
                f"fork={self._config.fork} has another tokenizer than the run (its hash was {known['tokenizer']} and "
                f"is {tokenizer}), so its weights would mean nothing; bring that run's model or data back, or fork a "
                "moment after its warm-up."
            )
        self._is_judged_otherwise |= known.get("data", data) != data

    def lineage(self) -> dict[str, Any]:
        """What passport.json says of it."""
        moment = self._origin.moment
        return {
            "run": str(self._origin.run.directory.absolute()),
            "name": self._origin.options["name"],
            "step": moment.step,
            "moment": str(moment),
            "optimizer": "taken over" if self._keeps_optimizer else "new",
            "accuracies": "forgotten" if self._is_judged_otherwise else "taken over",
            "changed": dict(str(change).split(": ", 1) for change in self._changes),
            "git": self._origin.passport.get("git"),
            "lineage": self._origin.lineage,
        }

    def begin(self, directory: RunDirectory) -> str:
        """Give a run that has nothing yet the state and the record of the other one; returns a sentence that says so.

        Raises:
            RunFailed: the run directory cannot be written.
        """
        moment, source, target = self._origin.moment, self._checkpoints, directory.checkpoints
        with directory.writing(LAST):
            shutil.rmtree(target, ignore_errors=True)
            if (source / BASE).is_dir():  # the model beneath adapters
                link(source / BASE, target / BASE)
            if moment.stage in AFTER_WARMUP:
                link(source / WARMUP, target / WARMUP)
            with sealed(target / LAST) as part:
                if moment.is_full:
                    self._put_tensors(moment.folder, part)
                if moment.policy.is_dir():
                    link(moment.policy, part / BEST)
                (part / STATE).write_text(json.dumps(self._facts()) + "\n", encoding="utf-8")
        for record in read_lines(self._origin.run.directory / METRICS):
            if record["step"] <= moment.step:
                directory.append_metrics(record)
        samples = read_lines(self._origin.run.directory / SAMPLES)
        directory.append_samples(record for record in samples if record["step"] <= moment.step)
        return self._sentence()

    def _sentence(self) -> str:
        facts = [] if self._keeps_optimizer or self._origin.moment.is_over else ["with a new optimiser"]
        facts += ["with accuracies to be found anew"] if self._is_judged_otherwise else []
        facts += [f"with {', '.join(map(str, self._changes))}"] if self._changes else []
        moment = self._origin.moment
        where = f"{self._origin.run.directory} after step {moment.step} ({moment})"
        return f"a fork of {', '.join([where, *facts])}"

    @property
    def _keeps_optimizer(self) -> bool:
        is_other = any(change.key == "trainer.optimizer" for change in self._changes)
        return self._origin.moment.is_full and self._critics[0] == self._critics[1] and not is_other

    @property
    def _critics(self) -> tuple[bool, bool]:
        """Whether there is a critic beside the policy: there, and here."""
        from reft_lab.config.check import check

        there = check(self._origin.run.experiment)
        return METHODS[there.method].has_critic(there), METHODS[self._config.method].has_critic(self._config)

    def _put_tensors(self, source: Path, target: Path) -> None:
        if self._keeps_optimizer:
            for file in tensor_files(source):
                link_file(file, target / file.name)
            return
        from reft_lab.runner.state_tensors import in_turn, kinds, write

        weights = {name: kind for name, kind in kinds(source).items() if name.startswith("policy.")}
        write({name: tensor for some in in_turn(source, weights) for name, tensor in some.items()}, target)

    def _facts(self) -> dict[str, Any]:
        """How far the run is at its beginning."""
        moment = self._origin.moment
        facts = dict(moment.facts) | {"stage": moment.stage}
        if not moment.is_full:
            elapsed = self._elapsed()
            facts |= {"elapsed": elapsed, "seconds": {TRAINING: elapsed}}
        if self._is_judged_otherwise:
            facts |= {"warmup": None, "latest": None, "best": asdict(Best()), "chosen": {}, "candidates": 0}
        there, here = self._critics
        if there != here and moment.stage == REFT_STAGE.name and not moment.is_over:
            # The value model's parameters have a learning rate of their own, and so a count of their own.
            optimizer = facts["counters"]["optimizer"]
            groups = optimizer["groups"][:1] * (2 if here else 1)
            facts["counters"] = facts["counters"] | {"optimizer": optimizer | {"groups": groups}}
        return facts

    def _elapsed(self) -> float:
        """What the stopwatch of the other run showed at the moment."""
        step = self._origin.moment.step
        records = read_lines(self._origin.run.directory / METRICS)
        return float(max((record["seconds"] for record in records if record["step"] <= step), default=0.0))

    def _check_files(self) -> None:
        moment = self._origin.moment
        folders = {moment.folder} if moment.is_full else {moment.folder, moment.policy}
        for folder in folders | ({self._checkpoints / WARMUP} if moment.stage in AFTER_WARMUP else set()):
            if problem := damage(folder):
                raise BadInput(
                    f"fork={self._config.fork} needs {folder}, and there {problem}; name another moment of the run."
                )


def tokenizer_in(checkpoints: Path) -> Path | None:
    """The tokenizer that a run has written beside one of its policies."""
    places = (checkpoints / WARMUP, checkpoints / BEST, checkpoints / LAST / BEST)
    return next((place for place in places if (place / TOKENIZER).is_file()), None)
