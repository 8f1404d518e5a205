"""docs/statistics.md: its example prints what it says, and its formulas are those of the code."""

from __future__ import annotations

import contextlib
import io
import math

import pytest

from reft_lab.analysis.power import needed_by_problems
from reft_lab.analysis.statistics import compare_problems, interval_around
from tests.docs.pages import REPO, blocks

PAGE = REPO / "docs" / "statistics.md"


def test_the_example_prints_what_it_says():
    (code,) = blocks(PAGE, "python")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(code, {})
    assert said.getvalue() in blocks(PAGE)


@pytest.mark.parametrize(("a", "b", "m"), [(0.0, 1.0, 0.97), (-1.0, 1.0, 0.2)])
def test_the_interval_is_that_of_the_page(a, b, m):
    e, t = 0.02, 4.302653
    y, dy = math.log((m - a) / (b - m)), e * (b - a) / ((m - a) * (b - m))
    ends = [a + (b - a) / (1 + math.exp(-(y + sign * t * dy))) for sign in (-1, 1)]
    assert interval_around(m, e, 2, (a, b)) == pytest.approx(ends)


def test_the_questions_of_one_pair_are_those_of_the_page():
    found = compare_problems([True] * 60 + [False] * 440, [False] * 60 + [True] * 40 + [False] * 400)
    p, d = 100 / 500, 20 / 500
    assert needed_by_problems(found).questions == pytest.approx((1.96 + 0.8416) ** 2 * (p - d**2) / d**2, rel=0.005)
