"""The side of reft_lab: iterations of its ReFT stage on a workload.

python benchmarks/ours.py FOLDER [--memory]      # a side of turns.py
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from turns import serve
from workloads import config, setup

from reft_lab.answers.outcome import Outcome
from reft_lab.methods import STAGES
from reft_lab.methods.stages.reinforcement import Reinforcement
from reft_lab.programs import ProgramRunner
from reft_lab.rewards import scoring
from reft_lab.runner.setup import Setup


def stage_of(made: Setup) -> Reinforcement:
    """The ReFT stage as the runner makes it."""
    problems, prompts = made.questions()

    def judge(questions: Sequence[int], responses: Sequence[Sequence[int]]) -> list[Outcome]:
        texts = made.codec.read([prompts[q] for q in questions], responses)
        return made.form.judge([problems[q] for q in questions], texts)

    return Reinforcement(
        made.policy,
        made.policy.reference(),
        prompts,
        [problem.id for problem in problems],
        judge,
        scoring(made.reward, problems, prompts, made.codec.read),
        made.config.ppo,
        kind=STAGES["reft"],
        seed=made.config.seed,
        eos_id=made.codec.eos_id,
        pad_id=made.codec.pad_id,
        decode_batch=made.config.trainer.decode_batch,
        tokens_per_micro_batch=made.config.trainer.tokens_per_micro_batch,
    )


def main() -> None:
    place = Path(sys.argv[1])
    with ProgramRunner(config(place).programs) as programs:
        stage = stage_of(setup(place, programs))
        serve(lambda: len(stage.iterate().rollouts))


if __name__ == "__main__":
    main()
