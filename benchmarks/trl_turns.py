"""What both sides of TRL share, in TRL's own environments. It imports nothing of reft_lab."""

from __future__ import annotations

import sys
import time
from typing import Any

from clock import Turn, cpu_seconds, memory, reset_peak
from plain_programs import partial_reward, run_in_fresh_pool
from transformers import TrainerCallback
from turns import begin


class TakeTurns(TrainerCallback):
    """Hands over each iteration as a turn, and waits for the next."""

    def __init__(self, rollouts: int):
        self.rollouts = rollouts
        self.answer = begin()

    def start(self) -> None:
        """Start the clocks of a turn."""
        self.held, self.cpu, self.wall = reset_peak(), cpu_seconds(), time.perf_counter()

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.start()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        turn = Turn(
            self.rollouts,
            cpu_seconds() - self.cpu,
            time.perf_counter() - self.wall,
            max(0.0, memory("VmHWM") - self.held),
        )
        if not self.answer(turn):
            sys.exit()
        self.start()


def program_rewards(openings: list[str], texts: list[str], answers: list[float]) -> list[float]:
    """Terminal rewards of responses that complete programs, run in a fresh pool."""
    values = run_in_fresh_pool([opening + text for opening, text in zip(openings, texts, strict=True)])
    return [partial_reward(value, answer) for value, answer in zip(values, answers, strict=True)]
