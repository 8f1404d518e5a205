"""The checkpoints of a run: full states to go on from, and policies to use.

A full state is one sealed folder that needs nothing but `warmup/` beside it. All randomness is keyed by the counters in
it, so there is none to save. A run that forks from a policy begins with a state that has no tensors: its weights are
those of the best policy in it, and its optimiser is new.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from torch import Tensor

from reft_lab.methods import METHODS
from reft_lab.methods.base import Stage
from reft_lab.methods.stages.optimizer import Optimizer
from reft_lab.policy import saving
from reft_lab.policy.model import Policy
from reft_lab.run_dir.files import BEST, LAST, MERGED, STATE, STEP, WARMUP, tensor_files
from reft_lab.runner import state_tensors
from reft_lab.sealed import damage, link, recover, sealed

AFTER_WARMUP = {stage.name for method in METHODS.values() for stage in method.stages[1:]}


class Checkpoints:
    """The folder `checkpoints/`.

    Attributes:
        best: the best policy so far by the selection split, a plain transformers folder, or one of peft's.
        warmup: the policy after warm-up, which reinforcement takes for its reference.
        merged: the best policy as a plain transformers folder, where it has an adapter and that is asked for.
    """

    def __init__(self, folder: Path, keep: int):
        """`keep` full states stay, the newest as `last`, those before as `step-NUMBER`."""
        self.folder = folder
        self.keep = keep
        self.best = folder / BEST
        self.warmup = folder / WARMUP
        self.merged = folder / MERGED

    def save(self, stage: Stage, facts: dict[str, Any]) -> None:
        """Write the full state: weights, optimiser state and counters of `stage`, the best policy so far, and `facts`.

        The best policy is a second name for the same files, so it takes no room; with it the state stays whole when a
        newer best takes the place of this one. `facts` say, as JSON, how far the run is. The rank that leads writes;
        where weights are in parts, all ranks are in here, and each writes its own.
        """
        ranks, is_parted, last = stage.policy.ranks, stage.policy.sharding is not None, self.folder / LAST
        tensors = {f"policy.{name}": tensor for name, tensor in _weights(stage.policy).items()}
        tensors |= {f"adamw.{name}": tensor for name, tensor in stage.optimizer.tensors().items()}
        if not ranks.leads:
            if is_parted:
                state_tensors.write_parts(tensors, last, ranks)
            return
        with sealed(last) as part:
            if is_parted:
                state_tensors.write_parts(tensors, part, ranks)
            else:
                state_tensors.write(tensors, part)
            (part / STATE).write_text(json.dumps({"counters": stage.counters()} | facts) + "\n")
            if self.best.exists():
                link(self.best, part / BEST)
            if last.exists() and (step := self.facts(last).get("tracker_step")) != facts["tracker_step"]:
                older = self.folder / f"{STEP}{step}"
                shutil.rmtree(older, ignore_errors=True)
                last.rename(older)
        for old in self._states()[self.keep :]:
            gone = old.with_name(f".{old.name}.old")  # so that one half removed does not pass for a damaged one
            old.rename(gone)
            shutil.rmtree(gone)

    def find(self) -> tuple[Path | None, list[str]]:
        """The newest full state that is as it was written, and a sentence on each that is not."""
        notes: list[str] = []
        recover(self.folder / LAST)
        for folder in self._states():
            problem = damage(folder)
            if problem is None and self.facts(folder)["stage"] in AFTER_WARMUP and damage(self.warmup):
                problem = f"it needs {self.warmup}, and there {damage(self.warmup)}"
            if problem is None:
                return folder, notes
            notes.append(f"the checkpoint {folder} cannot be used: {problem}.")
        return None, notes

    def load(self, folder: Path, stage: Stage) -> None:
        """Put the state in `folder` into a stage made from the same config."""
        stage.optimizer.restore(_read(folder, stage.policy, stage.optimizer))
        counters = self.facts(folder)["counters"]
        if counters is None:  # of a policy after the stage, which is over whatever its length is now
            stage.step = stage.total_steps
        else:
            stage.restore(counters)

    @staticmethod
    def load_policy(folder: Path, policy: Policy) -> None:
        """Put the weights of the state in `folder`, value model included, into a policy of the same shape."""
        _read(folder, policy)

    @staticmethod
    def facts(folder: Path) -> dict[str, Any]:
        """The facts that `save` wrote with a state; nothing where they cannot be read."""
        try:
            facts: dict[str, Any] = json.loads((folder / STATE).read_text())
        except (OSError, ValueError):
            return {}
        return facts

    def go_back_to(self, folder: Path | None) -> tuple[Path | None, str | None]:
        """Forget what is newer than the state in `folder` (None: everything), and make it the newest.

        Returns:
            Where the state is now, and what is wrong with its best policy: None where it is there, or was none yet.
        """
        for leftover in (*self.folder.glob(".*.part"), *self.folder.glob(".*.old")):
            shutil.rmtree(leftover)
        if folder is None:
            shutil.rmtree(self.folder, ignore_errors=True)
            return None, None
        for state in self._states():
            if state == folder:
                break
            shutil.rmtree(state)
        last = self.folder / LAST
        if folder != last:
            folder.rename(last)
        kept = last / BEST
        if saving.facts(kept) == saving.facts(self.best) and not damage(self.best):
            return last, None
        shutil.rmtree(self.best, ignore_errors=True)
        problem = damage(kept) if kept.exists() else None
        if kept.exists() and not problem:
            link(kept, self.best)
        return last, problem

    def _states(self) -> list[Path]:
        """Folders of full states, the newest first."""

        def steps(folder: Path) -> int:
            number = folder.name.removeprefix(STEP)
            return int(number) if number.isdecimal() else -1

        older = sorted((path for path in self.folder.glob(f"{STEP}*") if steps(path) >= 0), key=steps, reverse=True)
        last = self.folder / LAST
        return [last, *older] if last.exists() else older


def _weights(policy: Policy) -> dict[str, Tensor]:
    """The policy's weights, one that is shared under several names once; with an adapter that, and no more."""
    names = (dict(policy.named_parameters(remove_duplicate=kept)).keys() for kept in (False, True))
    again = next(names) - next(names)
    return {name: tensor for name, tensor in policy.own_state().items() if name not in again}


def _read(folder: Path, policy: Policy, optimizer: Optimizer | None = None) -> dict[str, Tensor]:
    """Put the weights of a state into a policy; returns what the optimiser, where there is one, has to restore."""
    if not tensor_files(folder):
        saving.load_weights(policy, folder / BEST, needs_values=False)
        return {}
    stored = state_tensors.kinds(folder)
    # Tied weights are stored once, frozen ones not at all.
    weights = {f"policy.{name}": tensor for name, tensor in policy.own_state().items()}
    moments = {} if optimizer is None else optimizer.places(_part(stored, "adamw."))
    found = {name: tensor for name, tensor in weights.items() if name in stored}
    state_tensors.read(found | {f"adamw.{name}": tensor for name, tensor in moments.items()}, folder)
    return moments


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
