"""What Hydra calls for `-m sweeps=NAME`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class StudySweeper(Sweeper):
    """Hydra's side of a study."""

    def __init__(self, params: Mapping[str, str] | None = None):
        self.params = params  # read by from_config, where Hydra's other sweepers have their space too
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra composed. Trials are processes of their own, unless another launcher is asked for."""
        self.config = config
        if not config.hydra.launcher._target_.endswith(".BasicLauncher"):
            from hydra.core.plugins import Plugins

            self.launcher = Plugins.instance().instantiate_launcher(
                hydra_context=hydra_context, task_function=task_function, config=config
            )

    def sweep(self, arguments: list[str]) -> Any:
        """Run the study, or go on with it.

        Args:
            arguments: the command line's overrides, without Hydra's own.
        """
        from reft_lab.studies.from_config import from_config
        from reft_lab.studies.study import run_study
        from reft_lab.tracking.wandb_settings import check_environment, is_wanted

        assert self.config is not None
        if is_wanted(str(self.config.tracker.wandb)):  # else each trial would say the same
            check_environment()
        return run_study(from_config(self.config, arguments), say, self.launcher)


def say(line: str) -> None:
    """A line on the terminal, at once also where it goes to a file."""
    print(line, flush=True)
