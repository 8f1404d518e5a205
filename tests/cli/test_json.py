"""`--json`, which every command has: one document on stdout, and nothing else there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from reft_lab.cli.app import app
from reft_lab.numbers import finite
from tests.cli.ended import OLD, Ended

Reft = Callable[..., Ended]


def document(ended: Ended) -> Any:
    assert ended.code == 0, ended.err
    return json.loads(ended.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_every_command_has_it() -> None:
    commands: Any = get_command(app)
    runs_for_long = {"serve"}  # until it is stopped
    without = [
        name for name, command in commands.commands.items() if not any("--json" in each.opts for each in command.params)
    ]
    assert set(without) <= runs_for_long


def test_runs_and_their_comparison(reft: Reft) -> None:
    listed = document(reft("runs", "--json", "--limit", "2"))
    assert [run["run"] for run in listed] == ["multirun/kl/2", "multirun/kl/1"]
    found = document(reft("compare", "kl/0", "kl/1", "--json"))
    assert found["settings"] == {"ppo.kl_coef": {"a": "0.0", "b": "0.05"}}
    told = found["difference"]
    assert (told["n"], told["difference"]) == (10, pytest.approx(0.2))
    assert (told["right_in_both"], told["only_in_a"], told["only_in_b"]) == (2, 2, 4)
    assert told["low"] < told["difference"] < told["high"]
    assert "+20.0 points" in found["sentence"]


def test_the_best_run_and_its_checkpoint(reft: Reft) -> None:
    found = document(reft("best", "multirun/kl", "--json"))
    assert (found["run"], found["by"], found["test"]["n"]) == ("multirun/kl/1", "dev", 10)
    assert found["checkpoint"] is None  # these runs were written without one


def test_what_is_watched(reft: Reft) -> None:
    run = document(reft("watch", "kl/1", "--json"))
    assert (run["state"], run["is_over"], run["result"]["final"]["test"]["n"]) == ("finished", True, 10)
    assert run["doing"] is None
    study = document(reft("watch", "kl", "--json"))
    assert {row["run"]: row["state"] for row in study["runs"]} == {
        "multirun/kl/0": "finished",
        "multirun/kl/1": "finished",
        "multirun/kl/2": "crashed",
    }
    assert study["best"] == "multirun/kl/1"


def test_tables_have_numbers(reft: Reft) -> None:
    (table,) = document(reft("table", "kl", "--table", "settings", "--json"))
    assert table["name"] == "settings"
    assert [row["values"] for row in table["rows"]] == [{"ppo.kl_coef": value} for value in ("0", "0.05", "0.2")]
    assert [row["seeds"] for row in table["rows"]] == [[0.4], [0.6], []]


def test_what_is_written_is_named(made: Path, reft: Reft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = shutil.copytree(made, tmp_path / "copy")
    assert reft("--help").code == 0
    monkeypatch.chdir(copy)
    assert document(reft("report", "10-00-00", "--json")) == {"report": f"{OLD}/report.html"}


def test_errors_stay_one_sentence(reft: Reft) -> None:
    assert reft("best", "xyzzy", "--json").sentence.startswith("no run is called xyzzy")
    assert reft("runs", "--csv", "--json").sentence == "--csv and --json exclude each other; take one of them."


def test_what_json_has_not_becomes_null() -> None:
    assert finite({"a": (float("nan"), 1.5), 3: [float("-inf")]}) == {"a": [None, 1.5], "3": [None]}
