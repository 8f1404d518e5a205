"""Controls: how often they say what, and that it does not depend on how the batch is laid out."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import pytest

from reft_lab.answers.outcome import Outcome
from reft_lab.rewards import Judged, RewardConfig, choose, exact
from tests.rewarding import judged

N = 4000
ROWS = [("text", Outcome("correct" if i % 3 == 0 else "wrong", "7")) for i in range(N)]
BATCH = judged(*ROWS)


def scores(name: str, probability: float, batch: Judged = BATCH) -> list[float]:
    return choose(RewardConfig(name, probability)).scores(batch)


@pytest.mark.parametrize("probability", [0.0, 0.2, 0.5, 1.0])
def test_random_pays_as_often_as_it_says_whatever_the_outcome(probability: float) -> None:
    earned = scores("random", probability)
    assert set(earned) <= {0.0, 1.0}
    for kind in ("correct", "wrong"):
        of_kind = [score for score, (_, outcome) in zip(earned, ROWS, strict=True) if outcome.kind == kind]
        error = sqrt(probability * (1 - probability) / len(of_kind))
        assert abs(sum(of_kind) / len(of_kind) - probability) <= 4 * error


@pytest.mark.parametrize("probability", [0.0, 0.2, 1.0])
def test_corrupted_says_the_contrary_as_often_as_it_says(probability: float) -> None:
    earned = scores("corrupted", probability)
    turned = [score != exact(outcome) for score, (_, outcome) in zip(earned, ROWS, strict=True)]
    assert abs(sum(turned) / N - probability) <= 4 * sqrt(probability * (1 - probability) / N)


@pytest.mark.parametrize("name", ["random", "corrupted"])
def test_a_draw_belongs_to_its_response(name: str) -> None:
    """Not to its place in the batch; another step, question or seed draws anew."""
    whole = scores(name, 0.5)
    order = [*range(N - 1, -1, -7), *range(0, 50)]
    part = Judged(
        *([column[i] for i in order] for column in (BATCH.problems, BATCH.prompts, BATCH.responses)),
        [BATCH.outcomes[i] for i in order],
        [BATCH.keys[i] for i in order],
        BATCH.step,
        BATCH.read,
    )
    assert scores(name, 0.5, part) == [whole[i] for i in order]
    for other in (judged(*ROWS, step=1), judged(*ROWS, seed=1)):
        same = sum(a == b for a, b in zip(whole, scores(name, 0.5, other), strict=True))
        assert abs(same / N - 0.5) < 0.04
    again = replace(BATCH, keys=list(BATCH.keys))
    assert scores(name, 0.5, again) == whole
