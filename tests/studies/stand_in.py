"""A run.py that trains nothing: for tests of how runs are scheduled, told of and tried again."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reft_lab.config.sweeps import PrunerConfig, SamplerConfig
from reft_lab.studies.definition import Definition
from reft_lab.studies.objective import Objective
from reft_lab.studies.parameter import Parameter

# Its accuracy is 1 - |lam - 0.9| - seed / 100. What goes wrong is told by files in the folder that it is started in:
# `crash-NUMBER` ends the run of that trial with a traceback, `kill-NUMBER` by SIGKILL, `bad-NUMBER` with exit code 2.
# A file of that name is taken away, so that the next attempt goes well, unless it says `always`.
SCRIPT = """
import json, os, pathlib, signal, sys, time
words = dict(word.split("=", 1) for word in sys.argv[1:])
going_on = "resume" in words
directory = pathlib.Path(words["resume" if going_on else "hydra.run.dir"].strip("'"))
directory.mkdir(parents=True, exist_ok=True)
config = directory / "config.yaml"
if going_on:
    words = json.loads(config.read_text()) | words
elif config.exists():
    sys.exit("error: it already holds a run")
config.write_text(json.dumps(words))
with (directory / "starts.txt").open("a") as file:
    file.write(json.dumps([going_on, os.environ.get("CUDA_VISIBLE_DEVICES"), sys.argv[1:]]) + "\\n")
time.sleep(float(os.environ.get("STAND_IN_SECONDS", 0)))
number = next(part for part in reversed(directory.parts) if part.isdigit() or part in ("first",) or "trial-" in part)
for kind in ("crash", "kill", "bad"):
    trouble = pathlib.Path(f"{kind}-{number}")
    if trouble.exists():
        if trouble.read_text() != "always":
            trouble.unlink()
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "bad":
            print("error: that cannot be."), sys.exit(2)
        raise ValueError("a bug")
accuracy = 1 - abs(float(words.get("ppo.lam", 0.95)) - 0.9) - int(words.get("seed", 0)) / 100
score = {"accuracy": accuracy, "n": 100, "ci95": [0, 1]}
(directory / "metrics.jsonl").write_text(json.dumps({"step": 1, "ppo/kl_ref": 2 * accuracy}) + "\\n")
(directory / "report.html").write_text("<p>of trial " + number)
lines = [{"step": step, "response": "r", "reward": 1.0, "tokens": {"kl": [0.1]}} for step in (1, 2, 2)]
(directory / "samples.jsonl").write_text("".join(json.dumps(line) + "\\n" for line in lines))
result = {"status": "finished", "reason": None, "selection": "dev", "final": {"dev": score, "test": score}}
(directory / "result.json").write_text(json.dumps(result | {"seconds": {"total": 1.0}}))
"""

LAMBDA = Parameter("ppo.lam", "float", 0.8, 1.0)


def definition_in(folder: Path, **changes: object) -> Definition:
    """A search of lambda in `folder`, by draws at random."""
    definition = Definition(
        name="search",
        folder=folder / "multirun" / "search",
        storage=f"journal://{folder / 'multirun' / 'search' / 'journal.log'}",
        space=(LAMBDA,),
        fixed=("debug=quick",),
        first=({"ppo.lam": 0.95},),
        objectives=(Objective("accuracy", "maximize"),),
        trials=4,
        sampler=SamplerConfig(name="random"),
        pruner=PrunerConfig(),
        seeds=(),
        workers=1,
        gpus=None,
        retries=1,
        max_failure_rate=0.5,
        confirm=0,
    )
    return replace(definition, **changes)  # type: ignore[arg-type]


def stand_in(folder: Path, setattr: Callable[..., None]) -> Path:
    """Make run.py in `folder`, and have this process look like one started from it there."""
    script = folder / "run.py"
    script.write_text(SCRIPT)
    setattr(sys, "argv", [str(script), "-m", "sweeps=search"])
    os.chdir(folder)
    return script
