"""Run one experiment, several with -m, or go on with one with resume=: `python run.py --help`."""

from __future__ import annotations

from reft_lab.command.quiet_start import end_with_sweep, exit_on_signals

if __name__ == "__main__":
    exit_on_signals()  # first of all: the imports below take a while
    end_with_sweep()

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from reft_lab.command.exits import exits_with_a_sentence
from reft_lab.command.launch import launch
from reft_lab.config.check import check
from reft_lab.config.schema import Config


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def experiment(cfg: DictConfig) -> float:
    """Run the experiment that Hydra composed. What it returns is what a search maximises."""
    with exits_with_a_sentence():
        from reft_lab.runner import run
        from reft_lab.studies.reporting import Report
        from reft_lab.tracking.display import Display

        config, display = check(cfg), Display()
        return run(config, Path(HydraConfig.get().runtime.output_dir), display, Report(config, display.note))


def resume(config: Config, directory: Path, changes: list[str]) -> float:
    """Go on with the run in `directory`."""
    from reft_lab.runner import resume
    from reft_lab.studies.reporting import Report
    from reft_lab.tracking.display import Display

    display = Display()
    return resume(config, directory, changes, display, Report(config, display.note))


if __name__ == "__main__":
    launch(experiment, resume)
