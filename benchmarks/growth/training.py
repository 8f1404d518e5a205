"""What an iteration of ReFT costs as batch, responses and vocabulary grow.

The model and the prompts are those of the default experiment. No token ends a response, so each has the length of the
cap. In place of what the untrained model wrote, the gold programs are judged, without the cache of results.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

from .axis import Axis, Panel, Probe

NO_TOKEN = -1
"""An id that is never sampled, in place of the one that ends a response."""

PARTS = ("rollouts", "scores", "update")
PANEL = Panel("one iteration", "s", (*PARTS, "iteration"))


def _experiment(*overrides: str) -> Any:
    from reft_lab.compose.conf import compose
    from reft_lab.config.check import check

    fixed = ("trainer=cpu", "trainer.threads=1", "trainer.precision=fp32", "tracker=none", "programs.cache=0")
    return check(compose(*fixed, *overrides))


def cost_of_iteration(stage: Any) -> dict[str, float]:
    """CPU seconds of the next iteration, in all and by part; the stage's own stopwatch, in CPU time."""
    before = time.process_time()
    with mock.patch("time.perf_counter", time.process_time):  # others on the machine do not count
        metrics = stage.iterate().metrics
    parts = {"rollouts": "rollout", "scores": "score", "update": "update"}
    found = {name: metrics[f"time/{key}_seconds"] for name, key in parts.items()}
    return found | {"iteration": time.process_time() - before}


def make_stage(setup: Any, judge: Callable[..., Any], vocabulary: int | None = None, **ppo: int) -> Any:
    """Stage 2 of the default experiment with some settings changed, on a fresh copy of the policy.

    Args:
        setup: as `reft_lab.runner.setup.prepare` gives it.
        judge: outcomes of responses, as ReFT wants it.
        vocabulary: tokens that the model knows; None keeps those of the tokenizer.
        ppo: settings of config.ppo.
    """
    from reft_lab.methods import STAGES
    from reft_lab.methods.stages.reinforcement import Reinforcement

    config = setup.config
    policy = copy.deepcopy(setup.policy)
    if vocabulary is not None:
        policy.lm.resize_token_embeddings(vocabulary, mean_resizing=False)
    asking = setup.asking(*setup.questions())
    return Reinforcement(
        policy,
        policy.reference(),
        replace(asking, judge=judge, config=replace(config.ppo, **ppo), eos_id=NO_TOKEN),
        kind=STAGES["reft"],
        tokens_per_micro_batch=config.trainer.tokens_per_micro_batch,
    )


@contextmanager
def prepared(*overrides: str, **options: Any) -> Iterator[tuple[Any, Callable[..., Any]]]:
    """The default experiment, and a judge for it that is given the gold programs; `options` are those of `prepare`."""
    from reft_lab.programs import ProgramRunner
    from reft_lab.runner.setup import prepare

    config = _experiment(*overrides)
    with ProgramRunner(config.programs) as programs:
        setup = prepare(config, programs, **options)
        problems, _ = setup.questions()

        def judge(questions: Any, responses: Any) -> Any:
            asked = [problems[q] for q in questions]
            return setup.form.judge(asked, [setup.form.completion(problem, "rl") for problem in asked])

        yield setup, judge


def _opens(settings: Callable[[int], Mapping[str, int]]) -> Callable[[tuple[int, ...]], AbstractContextManager[Any]]:
    """How to open an axis on which size n stands for the settings `settings(n)`."""

    @contextmanager
    def open_axis(sizes: tuple[int, ...]) -> Iterator[dict[int, Probe]]:
        with prepared() as (setup, judge):
            probes: dict[int, Probe] = {}
            for size in sizes:
                stage = make_stage(setup, judge, **settings(size))
                stage.advance()  # the first one also allocates
                probes[size] = lambda stage=stage: cost_of_iteration(stage)  # type: ignore[misc]
            yield probes

    return open_axis


BATCH = Axis(
    "batch",
    "rollouts per iteration",
    (32, 64, 128, 256, 512, 1024),
    (32, 128, 512),
    (PANEL,),
    _opens(lambda size: {"rollouts": size, "mini_batch": size // 2, "max_new_tokens": 60}),
)
LENGTH = Axis(
    "length",
    "tokens per response",
    (15, 30, 60, 120, 240, 480),
    (15, 60, 240),
    (PANEL,),
    _opens(lambda size: {"rollouts": 32, "mini_batch": 16, "max_new_tokens": size}),
)
VOCABULARY = Axis(
    "vocabulary",
    "tokens in the vocabulary",
    (1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000),
    (1_000, 4_000, 16_000),
    (PANEL,),
    _opens(lambda size: {"rollouts": 32, "mini_batch": 16, "max_new_tokens": 30, "vocabulary": size}),
)
