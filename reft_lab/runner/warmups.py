"""Warm-ups that are kept: trained once, and begun from by every run that differs only in what comes after.

A kept warm-up is a sealed folder, named for everything that decides what a warm-up comes to. It holds the full state at
its end and the lines that were recorded on the way, so a run that begins from it goes on as one that is resumed at that
moment: with the same numbers, bit for bit, and with what the warm-up took on its account.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from reft_lab import __version__
from reft_lab.methods.base import Stage
from reft_lab.methods.sft import WARMUP
from reft_lab.run_dir import disk
from reft_lab.run_dir.directory import RunDirectory
from reft_lab.run_dir.files import METRICS, SAMPLES
from reft_lab.run_dir.json_lines import line
from reft_lab.run_dir.passport import hash_text
from reft_lab.run_dir.reading import read_lines
from reft_lab.runner.budget import Budget
from reft_lab.runner.checkpoint import LAST, Checkpoints
from reft_lab.runner.progress import Progress
from reft_lab.runner.setup import Setup
from reft_lab.sealed import damage, link, recover, sealed

FACTS = "facts.json"
# Sections of a config that a warm-up does not depend on. Of `ppo`, only how long an evaluation of it lets responses be
# counts, and how the value head begins, which stands in its state.
LATER = (
    "name",
    "method",
    "label",
    "baseline",
    "resume",
    "preflight",
    "debug",
    "fork",
    "reward",
    "sft",
    "ppo",
    "offline_st",
    "online_st",
    "reranker",
    "budget",
    "decode",
    "pool",
    "audit",
    "alarms",
    "tracker",
    "checkpoint",
    "study",
)


class Warmups:
    """The folder `checkpoint.warmups`, for one run; without it nothing is kept or begun from."""

    def __init__(self, setup: Setup, inputs: tuple[str, str]):
        """`inputs` are the hashes of data and tokenizer."""
        config = setup.config
        has_warmup = WARMUP in setup.method.stages and config.warmup.epochs
        home = config.checkpoint.warmups if has_warmup and config.fork is None else None
        self._budget = config.budget
        self._facts = facts(setup, inputs) if home else {}
        self.folder = Path(home).expanduser() / hash_text(json.dumps(self._facts, sort_keys=True)) if home else None

    def begin(self, directory: RunDirectory) -> str | None:
        """Let a run that has nothing yet begin after its warm-up, if that is kept.

        Returns:
            A sentence that says so; None where the run trains its warm-up itself.

        Raises:
            RunFailed: the run directory cannot be written.
        """
        folder = self.folder
        if folder is None:
            return None
        recover(folder)
        if not _is_whole(folder):
            return None
        if Budget(self._budget, Progress.from_json(Checkpoints.facts(folder / LAST))).reached:
            return None  # a run with this budget stops before the end of its warm-up
        with directory.writing(LAST):
            shutil.rmtree(directory.checkpoints, ignore_errors=True)
            link(folder / LAST, directory.checkpoints / LAST)
        for record in read_lines(folder / METRICS):
            directory.append_metrics(record)
        directory.append_samples(read_lines(folder / SAMPLES))
        maker = json.loads((folder / FACTS).read_text(encoding="utf-8"))["run"]
        return f"the warm-up is the one that {maker} trained, kept in {folder}"

    def keep(self, stage: Stage, directory: RunDirectory) -> None:
        """Keep the warm-up that `stage` has trained to its end, unless it is kept already.

        Raises:
            RunFailed: it cannot be written.
        """
        folder = self.folder
        if folder is None or not stage.done or _is_whole(folder):
            return
        last = directory.checkpoints / LAST
        with disk.explained(folder, directory.path):
            folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                with FileLock(folder.with_suffix(".lock"), timeout=0), sealed(folder) as part:
                    link(last, part / LAST)
                    for name, records in ((METRICS, directory.metrics()), (SAMPLES, directory.samples())):
                        (part / name).write_text("".join(line(record) for record in records), encoding="utf-8")
                    told = {"run": str(directory.path), **self._facts}
                    (part / FACTS).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
            except Timeout:  # another run keeps the same one at this moment
                return


def facts(setup: Setup, inputs: tuple[str, str]) -> dict[str, Any]:
    """Everything that decides what a warm-up comes to, as JSON; `inputs` are the hashes of data and tokenizer."""
    from importlib.metadata import version

    import torch

    config = {name: value for name, value in asdict(setup.config).items() if name not in LATER}
    config["model"].pop("value")  # a value model of its own is made after the warm-up
    config["model"]["lora"].pop("merge")
    packages = ["torch", "transformers"]
    if setup.config.model.lora.rank is None:
        config["model"].pop("lora")
    else:
        packages.append("peft")
    return {
        "config": config,
        "inputs": inputs,
        "value_init": setup.config.ppo.value_init,
        "lengths": asdict(setup.lengths(WARMUP.prompts)),
        "device": setup.device,
        "threads": torch.get_num_threads(),
        "versions": {"reft_lab": __version__} | {name: version(name) for name in packages},
    }


def _is_whole(folder: Path) -> bool:
    return not (damage(folder) or damage(folder / LAST))
