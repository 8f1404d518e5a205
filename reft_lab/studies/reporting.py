"""How a run that is a trial tells its study how it does, and learns whether to stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from reft_lab.config.schema import Config
from reft_lab.methods import METHODS
from reft_lab.studies.samplers import make_pruner
from reft_lab.studies.storage import DEFINITION, open_storage
from reft_lab.text import one_line

if TYPE_CHECKING:
    from optuna.trial import Trial


class Report:
    """Reports of one run to its trial. What goes wrong with the study never ends the run."""

    def __init__(self, config: Config, say: Callable[[str], None]):
        """Args:
        config: the run; if its study has no storage, nothing is reported.
        say: told once when the study cannot be reached.
        """
        self._config, self._say = config.study, say
        objective = config.study.objective
        self._metric = METHODS[config.method].objective if objective == "accuracy" else objective
        self._is_off = config.study.storage is None
        self._trial: Trial | None = None

    def __call__(self, step: int, metrics: dict[str, float]) -> bool:
        """Report an evaluation.

        Args:
            step: steps of the stage that makes the final policy, from 1.
            metrics: of this step; those of an evaluation are among them.

        Returns:
            Whether the run should stop here.
        """
        if self._is_off or self._metric not in metrics:
            return False
        try:
            return self._report(self._config.first_step + step, metrics[self._metric])
        except Exception as error:  # no trouble with the study may end the run
            self._is_off = True
            self._say(f"the study cannot be reached ({one_line(error)}); the run goes on without it.")
            return False

    def _report(self, step: int, value: float) -> bool:
        trial = self._trial = self._trial or self._open()
        known = trial.study.get_trials(deepcopy=False)[trial.number]
        if known.state.is_finished():  # pruned, and gone on with by hand
            self._is_off = True
            return False
        if step not in known.intermediate_values:  # else by the session before
            trial.report(value, step)
        return trial.should_prune()

    def _open(self) -> Trial:
        import optuna
        from optuna.trial import Trial

        storage = open_storage(str(self._config.storage))
        study = optuna.load_study(
            study_name=self._config.name, storage=storage, sampler=optuna.samplers.RandomSampler()
        )
        study.pruner = make_pruner(study.user_attrs[DEFINITION]["pruner"])
        study_id = storage.get_study_id_from_name(study.study_name)
        return Trial(study, storage.get_trial_id_from_study_id_trial_number(study_id, self._config.trial or 0))
