"""Run one experiment, or several with -m: `python run.py --help`."""

from __future__ import annotations

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from reft_lab.config.check import check
from reft_lab.config.launch import bad_input_exits, launch


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def experiment(cfg: DictConfig) -> float:
    """Run the experiment that Hydra composed. What it returns is what a search maximises."""
    with bad_input_exits():
        from reft_lab.runner import run

        return run(check(cfg), Path(HydraConfig.get().runtime.output_dir))


if __name__ == "__main__":
    launch(experiment)
