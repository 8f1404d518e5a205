"""A study for the notebooks, made by real runs as small as they can be: two settings, two seeds, and some mishaps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.runner import run
from reft_lab.tracking.display import Silence
from tests.real_run import copied

SMALL = (
    "debug=quick",
    "baseline=null",
    "model.scratch.hidden_size=16",
    "model.scratch.layers=1",
    "model.scratch.heads=2",
    "data.train_size=24",
    "data.dev_size=8",
    "data.test_size=12",
    "ppo.rollouts=8",
    "ppo.mini_batch=8",
    "ppo.max_new_tokens=8",
    "tracker.group=small",
)
# They differ in what each of the notebooks compares, so that one study will do for all.
SETTINGS: tuple[tuple[str, ...], ...] = (
    (),
    ("ppo.kl_coef=0", "reward=exact", "warmup.epochs=2", "ppo.lam=1.0", "ppo.gamma=0.95"),
)
SEEDS = (0, 1)


def make_study(folder: Path) -> None:
    """Make the study in `folder`, as `-m sweeps=NAME` with seeds lays it out.

    The first run has an SFT baseline. Runs of seed 0 have W&B's offline files. Beside the finished runs there are one
    that failed, one that was killed while it wrote a line, and one whose result is damaged.
    """
    for number, words in enumerate(SETTINGS):
        for seed in SEEDS:
            mode = "offline" if seed == 0 else "disabled"
            _run(folder / str(number) / f"seed-{seed}", *words, f"seed={seed}", f"tracker.wandb={mode}")
    first = folder / "0" / "seed-0"
    _run(first / "baseline_sft", "method=sft", "seed=0", "tracker.wandb=disabled")
    _fail(_without_baseline(first, folder / "2" / "seed-0"))
    _kill(_without_baseline(first, folder / "2" / "seed-1"))
    (_without_baseline(first, folder / "2" / "seed-2") / "result.json").write_text("{")


def wandb_files(study: Path, to: Path) -> Path:
    """W&B's offline files of the finished runs of a study, and nothing else."""
    for number in range(len(SETTINGS)):
        shutil.copytree(study / str(number) / "seed-0" / "wandb", to / str(number))
    return to


def _run(directory: Path, *words: str) -> None:
    run(check(compose(*SMALL, *words)), directory, display=Silence())


def _without_baseline(run: Path, to: Path) -> Path:
    copied(run, to)
    for name in ("baseline_sft", "wandb"):
        shutil.rmtree(to / name)
    return to


def _fail(run: Path) -> None:
    result = json.loads((run / "result.json").read_text())
    failed = result | {"status": "failed", "reason": "the loss was not a number.", "final": None, "warmup": None}
    (run / "result.json").write_text(json.dumps(failed))


def _kill(run: Path) -> None:
    (run / "result.json").unlink()
    (run / "predictions.jsonl").unlink()
    metrics = run / "metrics.jsonl"
    metrics.write_bytes(metrics.read_bytes()[:-40])
