"""The side of reft_lab: iterations of its ReFT stage on a workload.

python benchmarks/ours.py FOLDER [OVERRIDE ...] [--memory]      # a side of turns.py
"""

from __future__ import annotations

import sys
from pathlib import Path

from turns import serve
from workloads import config, setup

from reft_lab.methods import STAGES
from reft_lab.methods.stages.reinforcement import Reinforcement
from reft_lab.programs import ProgramRunner
from reft_lab.runner.setup import Setup


def stage_of(made: Setup) -> Reinforcement:
    """The ReFT stage as the runner makes it."""
    return Reinforcement(
        made.policy,
        made.policy.reference(),
        made.asking(*made.questions()),
        kind=STAGES["reft"],
        tokens_per_micro_batch=made.config.trainer.tokens_per_micro_batch,
    )


def main() -> None:
    place, overrides = Path(sys.argv[1]), [word for word in sys.argv[2:] if word != "--memory"]
    with ProgramRunner(config(place).programs) as programs:
        stage = stage_of(setup(place, programs, *overrides))
        serve(lambda: len(stage.iterate().rollouts))


if __name__ == "__main__":
    main()
