"""What panels name is what runs record, and what the catalogue describes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reft_lab import metrics
from reft_lab.analysis import load
from reft_lab.config.options import options
from reft_lab.dashboard.panels import Bars, Importance, Lines, Panel, Parallel, Scatter, Table
from reft_lab.dashboard.report import CURVES, study_panels
from reft_lab.dashboard.sections import SEARCHED, SECTIONS, TEST_ACCURACIES, sections_of
from reft_lab.methods import METHODS, RECORDS
from reft_lab.metrics import find, members
from reft_lab.tracking.wandb_artifacts import SAMPLES
from tests.real_run import made
from tests.tracking.wandb_files import history, tables

__all__ = ["made"]

WORKSPACE = [panel for section in SECTIONS for panel in section.panels]
PANELS = [*WORKSPACE, *CURVES, *study_panels(["ppo.lam"])]
# The fixed tenths of a response: a short one has no token in some of them.
POSITIONS = {*members("position/kl/TENTH"), *members("position/value/TENTH")}


def metrics_of(panel: Panel) -> tuple[str, ...]:
    """The metrics that a panel names."""
    match panel:
        case Lines() | Bars():
            return panel.metrics
        case Scatter():
            return (panel.x, panel.y)
        case Parallel() | Importance():
            return (panel.metric,)
        case _:
            return ()


@pytest.fixture(scope="module")
def recorded(made: Path) -> set[str]:
    """The names in the metrics of a real run and of its SFT baseline."""
    return set(load(made, baselines=True).history()["metric"]) | {"step"}


def test_what_panels_name_is_recorded(recorded: set[str], made: Path) -> None:
    """What other methods and switches record is compared with runs in test_metrics and test_switches."""
    of_these = {name for method in ("reft", "sft") for name in metrics.recorded(METHODS[method].records)}
    elsewhere = set(metrics.recorded(RECORDS, switches=None)) - of_these
    (row,) = load(made).table.to_dict("records")
    for panel in PANELS:
        for name in metrics_of(panel):
            if name in TEST_ACCURACIES:
                _, stage, what = name.split("/")
                assert row[f"{stage}_{what}"] >= 0, name
            else:
                assert name in recorded | POSITIONS | elsewhere, (panel, name)
    assert recorded & POSITIONS, "the run recorded no curve over positions"


def test_what_is_recorded_is_on_a_panel(recorded: set[str]) -> None:
    shown = {name for panel in WORKSPACE for name in metrics_of(panel)}
    assert recorded - shown == {"step"}


def test_every_alarm_is_in_the_overview(recorded: set[str]) -> None:
    shown = {name for panel in SECTIONS[0].panels for name in metrics_of(panel)}
    assert {name for name in recorded if name.startswith("alarm/")} <= shown


def test_metrics_and_samples_reach_w_and_b_under_the_names_that_panels_have(made: Path) -> None:
    (folder,) = made.glob("wandb/offline-run-*")
    names = {name for row in history(folder) for name in row}
    assert SAMPLES in {panel.key for panel in PANELS if isinstance(panel, Table)}
    assert tables(folder)
    assert all(tables(folder).values())
    lines = [json.loads(line) for line in (made / "metrics.jsonl").read_text().splitlines()]
    assert {name for line in lines for name in line} <= names


def test_options_of_panels_exist() -> None:
    named = {option for panel in PANELS if isinstance(panel, Parallel) for option in panel.options}
    assert set(SEARCHED) <= named <= set(options())


def test_panels_are_told_apart_by_their_titles() -> None:
    for section in SECTIONS:
        titles = [panel.title for panel in section.panels if hasattr(panel, "title")]
        assert len(set(titles)) == len(titles), section.name
        assert all(titles), section.name


def test_the_sections_are_those_that_were_asked_for() -> None:
    assert [section.name for section in SECTIONS] == [
        "overview",
        "warm-up",
        "rollouts",
        "reward and outcomes",
        "PPO health",
        "KL",
        "value",
        "reranker",
        "samples",
        "speed",
        "machine",
        "sweep",
    ]
    assert all(section.panels for section in SECTIONS)


def test_sections_that_no_method_records_are_left_out() -> None:
    def names(*methods: str) -> list[str]:
        return [section.name for section in sections_of(methods)]

    assert names() == names("reft", "reranker") == [section.name for section in SECTIONS]
    assert names("evaluate") == names()  # which records nothing
    assert set(names()) - set(names("reft", "sft")) == {"reranker"}
    assert set(names()) - set(names("sft")) == {"reranker", "PPO health", "KL", "value"}
    for name, method in METHODS.items():
        shown = {metric for section in sections_of([name]) for panel in section.panels for metric in metrics_of(panel)}
        assert set(metrics.recorded(method.records, switches=None)) <= shown


def test_a_metric_by_itself_is_called_as_in_the_catalogue() -> None:
    alone = {panel.metrics[0]: panel for panel in WORKSPACE if isinstance(panel, Lines) and len(panel.metrics) == 1}
    for name in ("ppo/kl_ref", "rollout/reward", "ppo/ratio_max", "time/rollout_tokens_per_second"):
        assert alone[name].title.startswith(find(name).label)
        assert (alone[name].unit, alone[name].log) == (find(name).unit, find(name).log)


def test_shares_are_drawn_as_areas_only_where_they_add_up() -> None:
    for panel in PANELS:
        if isinstance(panel, Lines) and panel.shares:
            assert all("/outcome/" in name for name in panel.metrics)
