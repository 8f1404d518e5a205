"""Pictures are drawn from what is in the frame, and an empty frame is a sentence."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

import altair
import pandas
import pytest
import vl_convert

from reft_lab.analysis import curves, outcomes, reward_audit, seeds, tables
from reft_lab.analysis.dynamics import PARTS, seconds_by_part
from reft_lab.charts import notebook as charts
from reft_lab.charts.chart import Axes, Line
from reft_lab.charts.curves import line_chart
from tests.analysis.frames import found, history, kl_study, runs_of

KL = "ppo.kl_coef"
DRAWN = [
    name for name, draw in vars(charts).items() if "missing" in getattr(draw, "__annotations__", {}) and name[0] != "_"
]


def svg_of(chart: Any) -> str:
    """A picture, of a specification that Vega-Lite takes."""
    altair.Chart.from_dict(chart.to_dict(), validate=True)
    return vl_convert.vegalite_to_svg(chart.to_dict())


def drawn(chart: Any) -> list[str]:
    """The texts of a picture."""
    return re.findall(r"<text[^>]*>([^<]+)</text>", svg_of(chart))


def marks(chart: Any, kind: str) -> int:
    """How many marks of a kind (`symbol`) stand in the plots of a picture, legends left out."""
    groups = re.findall(rf'<g class="mark-{kind} role-mark[^>]*>(.*?)</g>', svg_of(chart), re.DOTALL)
    return sum(group.count("<path") for group in groups)


def test_means_have_intervals_and_seeds():
    table = kl_study().table
    frame, singles = seeds.by_setting(table, [KL]), seeds.per_seed(table, [KL])
    chart = charts.interval_points(frame, KL, title="accuracy on test", seeds=singles)
    texts = drawn(chart)
    assert {KL, "accuracy on test", "0", "0.01", "0.2"} <= set(texts)
    assert marks(chart, "symbol") == 3 + 7
    assert marks(charts.interval_points(frame, KL, title="accuracy on test"), "symbol") == 3


def test_two_seeds_are_dots_without_an_interval():
    table = runs_of(
        *(found(str(seed), seed=seed, test=accuracy) for seed, accuracy in enumerate((0.9, 0.6, 0.8)))
    ).table
    for count in (2, 3):
        few = table.head(count)
        frame, singles = seeds.by_setting(few, ["reward"]), seeds.per_seed(few, ["reward"])
        chart = charts.interval_points(frame, "reward", title="accuracy", seeds=singles)
        assert marks(chart, "symbol") == 1 + count
        assert ('"low": ' in chart.to_json()) == (count == 3)


def test_an_interval_stays_within_what_is_possible():
    table = runs_of(
        *(found(str(seed), seed=seed, test=accuracy) for seed, accuracy in enumerate((0.99, 1.0, 0.6)))
    ).table
    frame = seeds.by_setting(table, ["reward"])
    assert frame["high"][0] < 1
    percents = [text for text in drawn(charts.interval_points(frame, "reward", title="accuracy")) if "%" in text]
    assert percents[-1] == "100%"


def test_differences_are_in_points():
    chart = charts.difference_rules(seeds.against(kl_study().table, KL), KL, title="points")
    texts = drawn(chart)
    assert {"0", "0.2", "points"} <= set(texts)
    assert any(text.startswith(("+", "−")) for text in texts)
    assert not any("%" in text for text in texts)


def test_the_map_says_what_one_seed_is():
    each = [
        found(f"{lam}{gamma}", test=lam * gamma, config={"ppo.lam": lam, "ppo.gamma": gamma})
        for lam in (0.5, 1.0)
        for gamma in (0.8, 1.0)
    ]
    frame = seeds.by_setting(runs_of(*each).table, ["ppo.lam", "ppo.gamma"])
    texts = drawn(charts.accuracy_map(frame, "ppo.lam", "ppo.gamma", title="accuracy"))
    assert {"40.0%", "50.0%", "80.0%", "100.0%"} <= set(texts)
    assert texts.count("one seed") == 4


def test_curves_are_drawn_in_the_order_asked_for():
    rows = [
        (f"{kl}/{seed}", step, metric, 0.1 * step + seed)
        for kl in (0.0, 0.01)
        for seed in (0, 1)
        for step in (1, 2, 3)
        for metric in ("b", "a", "c")
    ]
    bands = curves.seed_bands(history(rows), kl_study().table, [KL])
    chart = charts.bands(bands, "step", KL, metrics=["c", "a", "missing"])
    titles = [text for text in drawn(chart) if text in {"a", "b", "c", "missing"}]
    assert titles == ["c", "a"]
    lines = charts.run_lines(curves.run_curves(history(rows), kl_study().table), "step", metrics=["b"])
    assert {"b", "0.0/0", "0.01/1"} <= set(drawn(lines))


def test_a_curve_of_one_place_is_a_point():
    bands = curves.seed_bands(history([("0.01/0", 7, "x", 0.5), ("0.01/1", 7, "x", 0.6)]), kl_study().table, [KL])
    assert marks(charts.bands(bands, "step", KL), "symbol") == 1


def test_noise_below_0_does_not_lower_the_foot_of_a_chart():
    for lowest, foot in ((-0.005, 0), (-0.1, None)):
        lines = [Line("KL", [(1, lowest), (2, 1.0)], "reft")]
        spec = line_chart("kl", "KL", lines, Axes("nats a response", course=True)).spec
        (scale,) = {json.dumps(layer["encoding"]["y"]["scale"]) for layer in spec["layer"] if "y" in layer["encoding"]}
        assert json.loads(scale).get("domainMin") == foot


def test_outcomes_and_rewards_are_drawn():
    runs = runs_of(found("a", outcomes={"correct": 3, "wrong": 1}))
    assert {"correct", "wrong"} <= set(
        drawn(charts.outcome_bars(outcomes.final_outcomes(runs.table, ["reward"]), "reward"))
    )
    rows = [("a", step, f"rollout/outcome/{kind}", 0.5) for step in (1, 2) for kind in ("correct", "timeout")]
    bands = curves.seed_bands(history(rows), runs.table, ["reward"])
    areas = charts.outcome_areas(outcomes.outcome_curves(bands), "step", "reward")
    assert {"correct", "timeout", "reward: partial"} <= set(drawn(areas))
    samples = pandas.DataFrame({"run": "a", "step": 1, "outcome": ["correct", "wrong"], "reward": [1.0, 0.1]})
    bars = charts.reward_ranges(reward_audit.reward_by_outcome(samples, runs.table))
    assert {"correct", "wrong", "partial"} <= set(drawn(bars))
    pairs = [("a", step, name, 0.1 * step) for step in (1, 2) for name in ("rollout/reward", "rollout/accuracy")]
    scatter = charts.reward_scatter(reward_audit.reward_and_accuracy(history(pairs), runs.table))
    assert marks(scatter, "symbol") == 2


def test_the_paper_is_drawn_beside_ours():
    config = {"model.name": "codellama", "data.name": "gsm8k"}
    chart = charts.paper_points(tables.main_table(runs_of(found("a", test=0.7, warmup=0.6, config=config)).table))
    texts = drawn(chart)
    assert "GSM8K P-CoT CodeLLaMA-7B" in texts
    assert [text for text in texts if text in {"warm-up", "SFT", "ReFT"}] == ["warm-up", "SFT", "ReFT"]


def test_parts_are_stacked_in_their_order():
    rows = [("a", 1, "time/update_seconds", 1.0), ("a", 1, "time/rollout_seconds", 3.0)]
    frame = seconds_by_part(history(rows), runs_of(found("a", seconds=8.0)).table)
    texts = drawn(charts.part_bars(frame, "run", "part", PARTS, title="share"))
    assert [text for text in texts if text in PARTS] == ["sampling", "updates", "everything else"]


@pytest.mark.parametrize("name", DRAWN)
def test_an_empty_frame_is_a_sentence(name: str):
    draw = getattr(charts, name)
    empty = pandas.DataFrame({"metric": []})
    needed = [each for each in inspect.signature(draw).parameters.values() if each.default is inspect.Parameter.empty]
    words = {each.name: "x" for each in needed[1:]}
    assert drawn(draw(empty, missing="There is nothing.", **words)) == ["There is nothing."]
