"""Charts of what audits of the critic found; entries that are damaged are passed over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reft_lab.evaluation.critic import verdict
from reft_lab.report.critic_charts import critic_charts
from tests.evaluation.test_critic import states


def audit(iteration: int) -> dict[str, Any]:
    found, _ = states(seed=iteration, responses=8)
    return {"when": f"iteration {iteration}", "iteration": iteration, **verdict(found, seed=0)}


def keys(directory: Path, *audits: Any) -> list[str]:
    (directory / "critic_audit.json").write_text(json.dumps({"audits": list(audits)}))
    return [chart.key for chart in critic_charts(directory, ([], []), colour="reft", axis={}) if chart]


def test_one_audit_is_drawn_by_position_and_several_over_time(tmp_path: Path) -> None:
    assert keys(tmp_path) == []
    assert keys(tmp_path, audit(3)) == ["critic-values", "critic-positions"]
    assert keys(tmp_path, audit(3), audit(6)) == ["critic-values", "critic-positions", "critic-time"]


@pytest.mark.parametrize(
    "damage", [{"overall": {}}, {"by_tenth": {"first": {}}}, {"sentence": None}, {"iteration": "3"}]
)
def test_what_is_damaged_is_not_drawn(tmp_path: Path, damage: dict[str, Any]) -> None:
    assert keys(tmp_path, audit(3), audit(6) | damage, 7) == ["critic-values", "critic-positions"]
    assert keys(tmp_path, {"when": "iteration 3"}) == []
