"""The trials of a study as a queue that any number of sweeps draw from, on any number of machines.

A trial is made without values, and gets them when a sweep takes it: a point of the grid and a setting to begin with by
its number, all others from the sampler. So it does not matter who makes the trials, and there are exactly as many as
there should be.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from reft_lab.studies.artifacts import FOLDER, attach
from reft_lab.studies.definition import Definition
from reft_lab.studies.liveness import BEAT, OWNER, Watch, sign
from reft_lab.studies.samplers import make_pruner, make_sampler
from reft_lab.studies.storage import open_storage, open_study

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

LOCK = ".sweep.lock"


class Trials:
    """The queue.

    Attributes:
        study: optuna's study.
        definition: what it is.
    """

    def __init__(self, definition: Definition):
        """Open the study, and make the trials that are missing.

        Raises:
            BadInput: another study has its name.
        """
        self.definition = definition
        self._storage = open_storage(definition.storage)
        self.study = open_study(definition, self._storage)
        self._study_id = self._storage.get_study_id_from_name(definition.name)
        self._held: set[int] = set()
        self._lock = threading.RLock()  # samplers and storages are asked by one thread at a time
        # Between sweeps that see the same folder. A soft lock, which filelock would fall back to, outlives a kill.
        self._between = FileLock(definition.folder / LOCK, fallback_to_soft=False)
        self._watch = Watch()
        self._points = _grid(definition)
        self._over = threading.Event()
        with self._between:
            for _ in range(definition.trials - len(self.all())):
                self.study.enqueue_trial({})
        threading.Thread(target=self._beat, daemon=True).start()

    def all(self) -> list[FrozenTrial]:
        """The trials that count, by number."""
        with self._lock:
            return self.study.get_trials(deepcopy=False)[: self.definition.trials]

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Inside, no other worker or sweep that sees the same folder is."""
        with self._lock, self._between:
            yield

    def take(self) -> Trial | None:
        """A trial to work on: one that a dead sweep left, or the next that waits; None where there is neither."""
        from optuna.trial import TrialState

        with self.alone():
            trials = self.all()
            for frozen in trials:
                if frozen.state != TrialState.RUNNING or frozen.number in self._held:
                    continue
                if self._watch.is_abandoned(frozen.number, frozen.user_attrs):
                    return self._claimed(frozen)
            for frozen in trials:
                if frozen.state == TrialState.WAITING and self._pop(frozen):
                    return self._claimed(frozen)
        return None

    def are_over(self) -> bool:
        """Whether all have ended, also those of other sweeps."""
        return all(frozen.state.is_finished() for frozen in self.all())

    def suggest(self, trial: Trial) -> dict[str, Any]:
        """The values of a trial, which stay the same when it is taken up again."""
        with self._lock:
            return {parameter.key: parameter.suggest(trial) for parameter in self.definition.space}

    def note(self, trial: Trial, **attributes: Any) -> None:
        """Write down what is known of a trial."""
        with self._lock:
            for name, value in attributes.items():
                trial.set_user_attr(name, value)

    def last_step(self, trial: Trial) -> int:
        """The last step that the trial reported, 0 where there is none."""
        with self._lock:
            return max(self._storage.get_trial(self._id(trial.number)).intermediate_values, default=0)

    def report(self, trial: Trial, step: int, value: float) -> bool:
        """Report the mean of the seeds so far; whether the trial should stop."""
        with self._lock:
            if step not in self._storage.get_trial(self._id(trial.number)).intermediate_values:  # else before a stop
                trial.report(value, step)
            return trial.should_prune()

    def attach(self, trial: Trial, directory: Path) -> None:
        """Keep the page and the last samples of a run with its trial, before `tell`; a full disk fails no trial."""
        with self._lock, suppress(OSError):
            attach(trial, directory, self.definition.folder / FOLDER)

    def tell(self, trial: Trial, state: Any, values: Sequence[float] | None = None) -> None:
        """The end of a trial."""
        with self._lock:
            self._held.discard(trial.number)
            self.study.tell(trial.number, values=values, state=state, skip_if_finished=True)

    def give_back(self, trial: Trial) -> None:
        """Leave a trial to whoever takes it up next."""
        with self._lock:
            self._held.discard(trial.number)
            trial.set_user_attr(OWNER, None)

    def close(self) -> None:
        """Stop giving signs of life."""
        self._over.set()

    def _pop(self, frozen: FrozenTrial) -> bool:
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        with suppress(UpdateFinishedTrialError):
            return self._storage.set_trial_state_values(self._id(frozen.number), TrialState.RUNNING)
        return False

    def _claimed(self, frozen: FrozenTrial) -> Trial:
        """Put this sweep's name on a trial that is running, and give it the values that its number stands for."""
        import optuna
        from optuna.samplers import PartialFixedSampler
        from optuna.trial import Trial

        trial_id = self._id(frozen.number)
        self._storage.set_trial_user_attr(trial_id, OWNER, sign())
        self._held.add(frozen.number)
        study = optuna.load_study(
            study_name=self.definition.name,
            storage=self._storage,
            sampler=PartialFixedSampler(self._given(frozen.number), make_sampler(self.definition, frozen.number)),
            pruner=make_pruner(vars(self.definition.pruner)),
        )
        study.get_trials(deepcopy=False)  # a study on a database can change only trials that it has read
        return Trial(study, trial_id)

    def _id(self, number: int) -> int:
        """What the storage calls a trial."""
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)

    def _given(self, number: int) -> dict[str, Any]:
        if self._points:
            return self._points[number]
        return self.definition.first[number] if number < len(self.definition.first) else {}

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            with self._lock, suppress(Exception):  # a storage that is gone for a while is asked again
                for number in self._held:
                    self._storage.set_trial_user_attr(self._id(number), OWNER, sign())


def _grid(definition: Definition) -> list[dict[str, Any]]:
    """The points of a grid, the last option varying fastest; empty for a search."""
    if definition.sampler.name != "grid":
        return []
    keys = [parameter.key for parameter in definition.space]
    return [dict(zip(keys, values, strict=True)) for values in product(*(each.grid() for each in definition.space))]
