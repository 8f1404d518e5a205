"""Small runs, made in the process of the test."""

from __future__ import annotations

from pathlib import Path

from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.runner import run
from reft_lab.tracking.display import Silence

TRAIN, EPOCHS, ITERATIONS, ROLLOUTS, PASSES = 48, 2, 4, 16, 2
WARMUP = EPOCHS * TRAIN // 16  # steps
SMALL = (
    "tracker=none",
    "tracker.report=false",
    "baseline=null",
    f"data.train_size={TRAIN}",
    "data.dev_size=16",
    "data.test_size=16",
    f"warmup.epochs={EPOCHS}",
    f"ppo.iterations={ITERATIONS}",
    f"ppo.rollouts={ROLLOUTS}",
    "ppo.samples_per_problem=2",
    "ppo.mini_batch=6",
    f"ppo.epochs={PASSES}",
    "ppo.max_new_tokens=32",
    f"ppo.eval_every={ITERATIONS}",
)


def finish(directory: Path, *words: str) -> Path:
    """The directory of a run with these options, after its end."""
    run(check(compose(*words)), directory, display=Silence())
    return directory
