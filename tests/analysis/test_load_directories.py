"""Run directories as a table: whole ones, in the words of their own files."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path

import pandas
import pytest
from omegaconf import OmegaConf

from reft_lab.analysis import load
from reft_lab.analysis.schema import ORDER
from reft_lab.errors import BadInput
from tests.real_run import copied


def test_a_row_says_what_the_files_say(made: Path) -> None:
    table = load(made).table
    assert list(table.index) == [0]
    row = table.iloc[0]
    result = json.loads((made / "result.json").read_text())
    config = OmegaConf.load(made / "config.yaml")
    passport = json.loads((made / "passport.json").read_text())
    assert (row.run, row.directory, row.source, row.state) == ("run", str(made), "directory", "finished")
    assert row[["reason", "folder", "confirm", "trial"]].isna().all()
    assert (row.study, row["name"]) == ("a study", config.name)
    assert (row.method, row.model, row.data, row.cot) == ("reft", config.model.name, config.data.name, config.cot.name)
    assert (row.reward, row.seed, row.selection) == (config.reward.function, config.seed, config.selection)
    assert row.started == datetime.fromisoformat(passport["started"])
    assert (row.seconds, row.chosen) == (result["seconds"]["total"], result["chosen"])
    steps = [json.loads(line)["step"] for line in (made / "metrics.jsonl").read_text().splitlines()]
    assert row.step == steps[-1]
    for stage in ("warmup", "final", "baseline_sft"):
        for split in ("dev", "test"):
            score, name = result[stage][split], f"{stage}_{split}"
            shown = [row[f"{name}_{part}"] for part in ("accuracy", "n", "low", "high")]
            assert shown == [score["accuracy"], score["n"], *score["ci95"]]
    outcomes = {name.removeprefix("outcome_"): row[name] for name in table if name.startswith("outcome_")}
    assert {kind: count for kind, count in outcomes.items() if count} == result["outcomes"]
    assert sum(outcomes.values()) == result["final"]["test"]["n"]


def test_every_leaf_of_the_config_is_a_column(made: Path) -> None:
    table = load(made).table
    config = OmegaConf.to_container(OmegaConf.load(made / "config.yaml"))

    def leaves(node: object, prefix: str) -> dict[str, object]:
        if not isinstance(node, dict):
            return {prefix: node}
        return {key: value for name, child in node.items() for key, value in leaves(child, f"{prefix}.{name}").items()}

    expected = leaves(config, "config")
    expected["config.tracker.tags"] = "one, two"
    expected["config.programs.imports"] = ""
    shown = table.iloc[0]
    assert [name for name in table if name not in ORDER] == list(expected)
    for name, value in expected.items():
        assert shown[name] == value if value is not None else pandas.isna(shown[name]), name


def test_the_columns_and_their_types_are_the_same_whatever_there_is(made: Path, tmp_path: Path) -> None:
    whole = load(made).table
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "config.yaml").write_text("name: bare\n")
    (bare / "passport.json").write_text("{}")
    table = load(bare).table
    assert list(table)[: len(ORDER)] == list(whole)[: len(ORDER)]
    assert (table.dtypes[list(ORDER)] == whole.dtypes[list(ORDER)]).all()


def test_the_history_is_what_was_recorded(made: Path) -> None:
    history = load(made).history()
    assert [str(kind) for kind in history.dtypes] == ["str", "int64", "str", "float64"]
    lines = [json.loads(line) for line in (made / "metrics.jsonl").read_text().splitlines()]
    expected = {(line["step"], name): value for line in lines for name, value in line.items() if name != "step"}
    found = {(row.step, row.metric): row.value for row in history.itertuples()}
    assert found == expected
    assert len(history) == len(expected)
    assert set(history.run) == {"run"}


def test_metrics_are_chosen_by_name_and_by_pattern(made: Path) -> None:
    runs = load(made)
    everything = set(runs.history().metric)
    assert set(runs.history("eval/accuracy").metric) == {"eval/accuracy"}
    chosen = set(runs.history(["ppo/kl*", "seconds"]).metric)
    assert chosen == {name for name in everything if name.startswith("ppo/kl")} | {"seconds"}
    assert len(chosen) > 2
    assert runs.history("nothing/of_the_kind").empty


def test_samples_and_predictions_are_as_in_their_files(made: Path) -> None:
    runs = load(made)
    for frame, name in ((runs.samples(), "samples.jsonl"), (runs.predictions(), "predictions.jsonl")):
        lines = [json.loads(line) for line in (made / name).read_text().splitlines()]
        assert len(frame) == len(lines) > 0
        assert set(frame.run) == {"run"}
        for key in ("id", "question", "response", "gold", "outcome"):
            assert list(frame[key]) == [line[key] for line in lines]
    assert list(runs.predictions().warmup_outcome) == [line["warmup"]["outcome"] for line in lines]


def test_baselines_are_runs_where_they_are_asked_for(made: Path) -> None:
    assert list(load(made).table.run) == ["run"]
    runs = load(made, baselines=True)
    assert list(runs.table.run) == ["run", "run/baseline_sft"]
    assert list(runs.table.method) == ["reft", "sft"]
    assert runs.table.final_test_accuracy[1] == runs.table.baseline_sft_test_accuracy[0]
    assert "sft/loss" in set(runs.history(runs=["run/baseline_sft"]).metric)
    assert "sft/loss" not in set(runs.history(runs=["run"]).metric)


def test_runs_are_found_at_any_depth_and_called_by_their_place(made: Path, tmp_path: Path) -> None:
    places = ["outputs/2026-01-01/12-00-00-x", "multirun/kl/10", "multirun/kl/9/seed-3"]
    places += ["multirun/kl/confirm/trial-9/seed-1000", "multirun/kl/confirm/first/seed-1000", "multirun/day/time-x/0"]
    for place in places:
        shutil.copytree(made, tmp_path / place, ignore=shutil.ignore_patterns("checkpoints", "wandb", "baseline_sft"))
    (tmp_path / "multirun/kl/study.csv").touch()
    (tmp_path / "multirun/day/time-x/multirun.yaml").touch()
    (tmp_path / "outputs/2026-01-01/empty").mkdir()
    table = load(tmp_path).table.set_index("run")
    assert set(table.index) == set(places)
    assert list(load(tmp_path / "multirun/kl").table.run[:2]) == ["9/seed-3", "10"]
    assert table.trial["multirun/kl/10"] == 10
    assert table.trial["multirun/kl/9/seed-3"] == 9
    confirm = table.confirm.dropna()
    assert confirm.to_dict() == {
        "multirun/kl/confirm/trial-9/seed-1000": "trial-9",
        "multirun/kl/confirm/first/seed-1000": "first",
    }
    assert table.trial[confirm.index].isna().all()
    folders = table.folder.str.removeprefix(f"{tmp_path}/")
    assert folders.isna()["outputs/2026-01-01/12-00-00-x"]
    assert folders["multirun/day/time-x/0"] == "multirun/day/time-x"
    assert set(folders.dropna()) == {"multirun/kl", "multirun/day/time-x"}


def test_a_study_is_known_by_its_folder_too(made: Path, tmp_path: Path) -> None:
    run = copied(made, tmp_path / "multirun" / "lambda" / "3")
    (tmp_path / "multirun" / "lambda" / "journal.log").touch()
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("group: a study", "group: null"))
    row = load(tmp_path).table.iloc[0]
    assert (row.study, row.trial) == ("lambda", 3)


@pytest.mark.parametrize(("name", "sentence"), [("nowhere", "does not exist"), (".", "there are no runs in")])
def test_nothing_to_load_is_one_sentence(tmp_path: Path, name: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        load(tmp_path / name)
