"""How fast a policy samples, from a few tokens of as many rows as a run decodes at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reft_lab.memory.work import Lengths, widths
from reft_lab.policy.model import Policy
from reft_lab.policy.sampling import sample

NEVER = -1  # a token that ends nothing
STEPS = (4, 64)  # fewest and most that are tried
TIMES = 2  # that each is tried; the longer time had something else in it
SHARE = 4  # of the rows are tried beside all of them


@dataclass(frozen=True)
class Speed:
    """Seconds of decoding.

    Attributes:
        start: of a call, which makes a decoder.
        token: of reading one of a prompt.
        step: of one step whatever its rows.
        row: of each row in a step.
    """

    start: float
    token: float
    step: float
    row: float

    def seconds(self, lengths: Lengths, rows: int, group: int = 1) -> float:
        """Of responses of these lengths to prompts of these, decoded so many at once as `sample` does it.

        `group` of them, side by side, have one prompt, which is read once.
        """
        ordered = sorted(lengths)
        total = self.start
        for start in range(0, len(ordered), rows):
            batch = ordered[start : start + rows]
            there = widths([response for _, response in batch])
            total += self.token * sum(prompt for prompt, _ in batch) / group
            total += sum(self.step + self.row * width for width in there)
        return total


def measured(policy: Policy, prompts: Sequence[list[int]], midway: list[int], rows: int, affordable: float) -> Speed:
    """What a policy takes, in about `affordable` seconds.

    Args:
        prompts: some that are typical; they are read as they are.
        midway: a typical text of which half the response is written: a step takes longer, the more was written before.
        rows: decoded at once.
    """
    few = max(1, rows // SHARE)
    _time(policy, prompts[:1], 1, 2)  # the first pays for what is set up
    distinct, took = 1, _time(policy, prompts[:1], 1, 1)
    while distinct < min(rows, len(prompts)) and 2 * took < affordable / 4:
        distinct = min(2 * distinct, rows, len(prompts))
        took = _time(policy, prompts[:distinct], distinct, 1)
    first = _time(policy, prompts[:1], 1, 1)
    read = sum(map(len, prompts[:distinct])) - len(prompts[0])
    token = max(0.0, took - first) / read if read else took / len(prompts[0])
    of_all = _steps(policy, midway, rows, affordable / 2)
    of_few = _steps(policy, midway, few, affordable / 4) if few < rows else of_all
    row = max(0.0, of_all - of_few) / (rows - few) if few < rows else 0.0
    start = max(0.0, first - token * len(prompts[0]) - of_few)
    return Speed(start, token, of_all - row * rows, row)


def _steps(policy: Policy, prompt: list[int], rows: int, affordable: float) -> float:
    """Seconds of one step of so many rows."""
    least, most = STEPS

    def undisturbed(steps: int) -> float:
        return min(_time(policy, [prompt], rows, 1 + steps) for _ in range(TIMES))

    one = undisturbed(0)
    step = max(1e-9, _time(policy, [prompt], rows, 1 + least) - one) / least
    steps = max(least, min(most, int(affordable / TIMES / step)))
    return max(1e-9, undisturbed(steps) - one) / steps


def _time(policy: Policy, prompts: Sequence[list[int]], rows: int, tokens: int) -> float:
    """Seconds of sampling `tokens` a row."""
    asked = [prompts[i % len(prompts)] for i in range(rows)]
    started = time.perf_counter()
    sample(
        policy,
        asked,
        eos_id=NEVER,
        pad_id=0,
        max_new_tokens=tokens,
        batch_size=rows,
        uniforms=np.full((rows, tokens), 0.5),
    )
    return time.perf_counter() - started
