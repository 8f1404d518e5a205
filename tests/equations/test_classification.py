"""The outcome model's loss and its area under the curve, against literal loops."""

from __future__ import annotations

import math
import random

import pytest
import torch

from reft_lab.equations.classification import area_under_curve, outcome_loss


def test_outcome_loss_against_a_literal_loop() -> None:
    dice = random.Random(0)
    logits = [dice.gauss(0, 3) for _ in range(50)]
    right = [float(dice.random() < 0.5) for _ in range(50)]
    expected = []
    for z, y in zip(logits, right, strict=True):
        p = 1 / (1 + math.exp(-z))
        expected.append(-(y * math.log(p) + (1 - y) * math.log(1 - p)))
    found = outcome_loss(torch.tensor(logits, dtype=torch.float64), torch.tensor(right, dtype=torch.float64))
    assert found.tolist() == pytest.approx(expected)
    extreme = outcome_loss(torch.tensor([1000.0, -1000.0]), torch.tensor([0.0, 1.0]))
    assert extreme.tolist() == [1000.0, 1000.0]


def test_the_area_is_the_share_of_pairs_in_the_right_order() -> None:
    dice = random.Random(1)
    right = [dice.randint(2, 9) / 10 for _ in range(40)]  # with ties
    wrong = [dice.randint(0, 7) / 10 for _ in range(25)]
    won = sum((a > b) + 0.5 * (a == b) for a in right for b in wrong)
    assert area_under_curve(right, wrong) == pytest.approx(won / (40 * 25))
    assert area_under_curve([0.5] * 3, [0.5] * 4) == 0.5
    assert area_under_curve([], [0.5]) is None
    assert area_under_curve([0.5], []) is None
