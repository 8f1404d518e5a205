"""Run directories as runs leave them behind, for what resume= finds."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from functools import cache
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from reft_lab.compose.conf import Conf
from reft_lab.config.check import check


@cache
def _composed(overrides: tuple[str, ...]) -> DictConfig:
    return Conf().compose(overrides)


def begun(folder: str | Path, *overrides: str, status: str | None = None) -> Path:
    """A run directory as a run leaves it that was started here with `overrides`; `status` as in its result.json."""
    directory, composed = Path(folder), _composed(overrides)
    own = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    (directory / ".hydra").mkdir(parents=True)
    OmegaConf.save(OmegaConf.masked_copy(composed, "hydra"), directory / ".hydra" / "hydra.yaml")
    config = check(own)
    if config.trainer.precision == "auto":
        config.trainer.precision = "fp32"  # as a small model finds it
    (directory / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(asdict(config))))
    (directory / "passport.json").write_text(json.dumps({"folder": os.getcwd()}))
    if status is not None:
        score = {"accuracy": 0.652, "n": 500, "ci95": [0.6, 0.7]}
        result = {"status": status, "reason": None, "final": {"dev": score, "test": score}}
        (directory / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    return directory
