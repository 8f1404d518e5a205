"""The data of the token view."""

from __future__ import annotations

import pytest

from reft_lab.report.tokens import LONGEST, STEPS, TOKENS, token_view
from tests.report.written import sample


def test_all_that_fits_is_there():
    view = token_view([sample(5, ["a", "b"]), sample(6, ["c"])], warmup_steps=4)
    assert view.said == []
    assert view.content is not None
    assert [(each["step"], each["iteration"]) for each in view.content["steps"]] == [(5, 1), (6, 2)]
    assert view.content["steps"][0]["responses"][0]["text"] == ["a", "b"]


@pytest.mark.parametrize(("steps", "length", "samples"), [(1000, 3, 1), (100, 400, 8), (3, 1500, 16), (2, 90_000, 2)])
def test_what_is_shown_is_bounded(steps, length, samples):
    view = token_view(sample(step, ["x"] * length) for step in range(1, steps + 1) for _ in range(samples))
    assert view.content is not None
    shown = view.content["steps"]
    tokens = sum(len(response["text"]) for each in shown for response in each["responses"])
    assert len(shown) <= STEPS
    assert tokens <= max(TOKENS, len(shown) * LONGEST)
    assert (shown[0]["step"], shown[-1]["step"]) == (1, steps)
    assert view.said


def test_records_whose_lists_do_not_fit_are_left_out():
    broken = sample(5, ["a", "b"])
    broken["tokens"]["ratio"] = [1.0]
    view = token_view([broken, sample(6, ["c"])])
    assert view.content is not None
    assert [each["step"] for each in view.content["steps"]] == [6]


def test_outliers_do_not_set_the_scale():
    plain = sample(5, ["a"] * 200)
    plain["tokens"]["advantage"] = [1.0] * 199 + [1000.0]
    view = token_view([plain])
    assert view.content is not None
    assert view.content["scales"]["advantage"] == {"middle": 0.0, "reach": 1.0}
