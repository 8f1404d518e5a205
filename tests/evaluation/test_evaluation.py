"""Accuracy with intervals, and greedy evaluation of prompts that do not fit."""

from __future__ import annotations

import math

import pytest

from reft_lab.evaluation.score import score


@pytest.mark.parametrize(("correct", "n"), [(0, 10), (10, 10), (326, 500), (1, 3)])
def test_wilson_interval_solves_its_own_equation(correct, n):
    """The ends are where the normal approximation, with the variance of the end itself, is 1.96 away."""
    result = score(correct, n)
    z = 1.959963984540054
    for end in result.ci95:
        p = correct / n
        assert abs(p - end) == pytest.approx(z * math.sqrt(end * (1 - end) / n), abs=1e-9)
    assert result.as_json() == {"accuracy": correct / n, "n": n, "ci95": list(result.ci95)}
