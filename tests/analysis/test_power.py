"""How many questions and seeds a difference needs: the textbook's formula, and tries on simulated data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from reft_lab.analysis.power import POWER, Spread, needed, needed_by_problems
from reft_lab.analysis.statistics import compare_problems, mcnemar


def compared(only_ours, only_theirs, n):
    same = n - only_ours - only_theirs
    ours = [True] * only_ours + [False] * only_theirs + [True] * same
    theirs = [False] * only_ours + [True] * only_theirs + [True] * same
    return compare_problems(ours, theirs)


def table(seeds, questions, *, difference, of_seeds, of_questions, rest, random):
    return (
        difference
        + random.normal(0, of_seeds, (seeds, 1))
        + random.normal(0, of_questions, questions)
        + random.normal(0, rest, (seeds, questions))
    )


@pytest.mark.parametrize(("only_ours", "only_theirs", "n"), [(60, 40, 500), (30, 20, 1319), (150, 90, 500)])
def test_questions_are_those_of_the_formula(only_ours, only_theirs, n):
    found = compared(only_ours, only_theirs, n)
    variance = (only_ours + only_theirs) / n - found.difference**2
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    need = needed_by_problems(found)
    assert need.questions == pytest.approx(z**2 * variance / found.difference**2, rel=0.02)
    assert need.seeds is None


def test_so_many_questions_find_it_four_times_in_five():
    need = needed_by_problems(compared(60, 40, 500))
    random = np.random.default_rng(0)
    tries = random.multinomial(need.questions, [0.12, 0.08, 0.8], size=400)
    found = np.mean([mcnemar(ours, theirs) < 0.05 for ours, theirs, _ in tries])
    assert found == pytest.approx(POWER, abs=0.06)  # the exact test asks for a little more


def test_where_the_error_comes_from_is_found():
    random = np.random.default_rng(1)
    parts = {"of_seeds": 0.05, "of_questions": 0.4, "rest": 0.3}
    spreads = [Spread.of([table(6, 300, difference=0, **parts, random=random)]) for _ in range(100)]
    means = np.mean([[each.seeds, each.questions, each.rest] for each in spreads], axis=0)
    assert np.sqrt(means) == pytest.approx([0.05, 0.4, 0.3], rel=0.05)


def test_seeds_and_questions_needed_find_it_four_times_in_five():
    random = np.random.default_rng(2)
    spread, difference = Spread(0.03**2, 0.4**2, 0.3**2), 0.04
    for seeds, questions in ((5, 2000), (12, 600)):
        tables = (
            table(seeds, questions, difference=difference, of_seeds=0.03, of_questions=0.4, rest=0.3, random=random)
            for _ in range(400)
        )
        means = [
            (each.mean(1).var(ddof=1) / seeds, each.mean(0).var(ddof=1) / questions, each.mean()) for each in tables
        ]
        found = np.mean([_is_found(*each, seeds, questions) for each in means])
        assert spread.power(difference, seeds, questions) == pytest.approx(found, abs=0.08)


def _is_found(of_seeds, of_questions, mean, seeds, questions):
    total = of_seeds + of_questions
    degrees = total**2 / (of_seeds**2 / (seeds - 1) + of_questions**2 / (questions - 1))
    return 2 * stats.t.sf(abs(mean) / np.sqrt(total), degrees) < 0.05


def test_more_is_needed_of_what_there_is_less_of():
    random = np.random.default_rng(3)
    found = table(4, 200, difference=0.06, of_seeds=0.04, of_questions=0.3, rest=0.3, random=random)
    need = needed([found])
    spread, difference = Spread.of([found]), found.mean()
    assert spread.power(difference, need.seeds, 200) >= POWER > spread.power(difference, need.seeds - 1, 200)
    if need.questions:
        assert spread.power(difference, 4, need.questions) >= POWER > spread.power(difference, 4, need.questions - 1)
    assert (need.has_seeds, need.has_questions) == (4, 200)


def test_questions_cannot_stand_in_for_seeds():
    values = np.array([0.3, -0.2, 0.1, 0.0])[:, None] + np.zeros(100)
    need = needed([values])
    assert need.questions is None
    assert need.seeds > 4
    assert "questions with" not in str(need)
    assert need.short.endswith(" seeds")


def test_from_seeds_alone_questions_are_not_told():
    need = needed([np.array([[0.05], [0.02], [0.08]])], questions_known=False)
    assert (need.questions, need.has_questions) == (None, 0)
    effect = 0.05 / 0.03
    assert Spread(0.03**2, 0, 0).power(0.05, need.seeds, 1) >= POWER
    # scipy's own: the power of the t-test
    reach = stats.t.ppf(0.975, need.seeds - 1)
    assert stats.nct.sf(reach, need.seeds - 1, effect * np.sqrt(need.seeds)) >= POWER - 0.001


def test_two_seeds_do_not_say_how_many_seeds():
    random = np.random.default_rng(4)
    need = needed([table(2, 200, difference=0.06, of_seeds=0.04, of_questions=0.3, rest=0.3, random=random)])
    assert need.seeds is None
    assert need.questions
    assert "fewer than three seeds cannot say" in str(need)


def test_no_difference_needs_nothing():
    assert needed_by_problems(compared(20, 20, 100)) is None


def test_it_is_said_with_two_digits():
    need = needed_by_problems(compared(60, 40, 500))
    assert need.questions == 978
    assert "would need about 980 questions, and there are 500" in str(need)
    assert needed_by_problems(compared(30, 26, 1319)).short.endswith(",000 questions")
