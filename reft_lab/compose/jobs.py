"""The runs of a plain multirun: every combination of the values on the command line, each composed once."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from reft_lab.compose.composed import Composed
from reft_lab.compose.conf import Conf, composing
from reft_lab.compose.words import parse
from reft_lab.errors import BadInput


class Jobs:
    """Hydra's loader, remembering runs.

    We compose each run to check it before the first one starts, Hydra's sweeper once more for the same reason, and its
    launcher to start it; handed this in place of the loader, they get what was composed first.
    """

    def __init__(self, conf: Conf):
        self._conf = conf
        self._known: dict[tuple[str, ...], DictConfig] = {}

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """A run as the multirun `master_config` and its own overrides make it."""
        words = tuple(sweep_overrides)
        if words not in self._known:
            self._known[words] = self._conf.loader.load_sweep_config(master_config, sweep_overrides)
            self._conf.take_over(self._known[words], sweep_overrides)
        job = copy.deepcopy(self._known[words])
        OmegaConf.copy_cache(from_config=master_config, to_config=job)  # as Hydra does, for ${now:}
        return job

    def put_in(self, folder: str, word: str) -> None:
        """Tell the runs their multirun's folder, which it got after they were composed; `word` is its override."""
        for job in self._known.values():
            job.hydra.sweep.dir = folder
            job.hydra.overrides.hydra.append(word)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conf.loader, name)

    def __reduce__(self) -> tuple[type[Jobs], tuple[Conf]]:
        """For a launcher's process elsewhere, which composes the one run that it has."""
        return Jobs, (self._conf,)


def compose_jobs(composed: Composed, jobs: Jobs) -> Iterator[DictConfig]:
    """Every run of a plain multirun, composed by `jobs`.

    Raises:
        BadInput: one cannot be composed, or a range has no values to go through.
    """
    params = composed.node.hydra.sweeper.params or {}
    listed = parse([f"{key}={value}" for key, value in params.items()], composed.conf)
    given = [override for override in composed.overrides if not override.is_hydra_override()]
    for words in _combinations([*listed, *given]):
        with composing():
            job = jobs.load_sweep_config(composed.node, words)
        yield job


def _combinations(overrides: Sequence[Override]) -> Iterator[list[str]]:
    """The overrides of each run, written as Hydra's sweeper writes them."""
    values: dict[str, list[str]] = {}
    for override in overrides:
        key = override.get_key_element()
        if override.is_interval_sweep():
            raise BadInput(
                f"{override.input_line} is a range to search, and -m alone tries listed values only; add "
                f"sweeps=optuna, or list some, as in {override.key_or_group}=0.9,0.95."
            )
        several = override.is_sweep_override()
        found = override.sweep_string_iterator() if several else [override.get_value_element_as_str()]
        values[key] = [f"{key}={value}" for value in found]
    return map(list, product(*values.values()))
