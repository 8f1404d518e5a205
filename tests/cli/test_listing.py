"""`reft runs`: which runs, in which order, with what."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reft_lab.analysis import load
from reft_lab.cli.listing import age
from tests.cli.ended import FAILED, OLD, Ended
from tests.cli.written import write_run

Reft = Callable[..., Ended]
STUDY = [f"multirun/kl/{number}" for number in (2, 1, 0)]  # newest first


def paths(ended: Ended) -> list[str]:
    assert ended.code == 0, ended.err
    return [line.split()[-1] for line in ended.out.splitlines()[1:]]


def test_runs_are_listed_newest_first_with_what_they_are(reft: Reft) -> None:
    ended = reft("runs")
    head, *lines = ended.out.splitlines()
    assert head.split() == ["state", "model", "data", "method", "settings", "dev", "%", "test", "%", "age", "path"]
    assert paths(ended) == [*STUDY, FAILED, OLD]
    crashed, first = lines[0].split(), lines[1].split()
    assert first[:4] == ["finished", "tiny", "arithmetic", "reft"]
    assert "ppo.kl_coef=0.05" in first
    assert [*first[-5:-3], first[-2]] == ["60.0", "60.0", "min"]
    assert 19 <= int(first[-3]) <= 30  # it took a while to get here
    assert crashed[:4] == ["crashed", "tiny", "arithmetic", "reft"]
    assert [crashed[-4], crashed[-2]] == ["ppo.kl_coef=0.2", "min"]
    assert int(crashed[-3]) == int(first[-3]) - 1
    assert lines[-1].split()[1] == "galactica"
    assert lines[-1].split()[-3:-1] == ["2", "d"]


def test_only_what_differs_among_the_runs_listed_is_shown(reft: Reft) -> None:
    assert "ppo.kl_coef" not in reft("runs", "--where", "ppo.kl_coef=0.05").out
    lines = reft("runs", "--study", "kl").out.splitlines()[1:]
    settings = [[word for word in line.split() if "=" in word] for line in lines]
    assert settings == [["ppo.kl_coef=0.2"], ["ppo.kl_coef=0.05"], ["ppo.kl_coef=0"]]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--state", "failed"], [FAILED]),
        (["--state", "failed", "--state", "crashed"], ["multirun/kl/2", FAILED]),
        (["--study", "kl"], STUDY),
        (["--where", "model=galactica"], [OLD]),
        (["--where", "model!=galactica"], [*STUDY, FAILED]),
        (["--where", "ppo.kl_coef=5e-2"], ["multirun/kl/1"]),
        (["--where", "ppo.kl_coef>=0.05"], ["multirun/kl/2", "multirun/kl/1"]),
        (["--where", "ppo.kl_coef<0.2", "--study", "kl"], ["multirun/kl/1", "multirun/kl/0"]),
        (["--where", "test>0.5"], ["multirun/kl/1", OLD]),
        (["--where", "ppo.whiten=true", "--state", "failed"], [FAILED]),
        (["--where", "study=null"], [FAILED, OLD]),
        (["--sort", "test"], [OLD, "multirun/kl/1", "multirun/kl/0", "multirun/kl/2", FAILED]),
        (["--sort", "-test", "--state", "finished"], ["multirun/kl/0", "multirun/kl/1", OLD]),
        (["--sort", "-age"], [OLD, FAILED, *reversed(STUDY)]),
        (["--sort", "ppo.kl_coef", "--study", "kl"], [f"multirun/kl/{number}" for number in (2, 1, 0)]),
        (["outputs"], [FAILED, OLD]),
        ([OLD, "multirun"], [*STUDY, OLD]),
    ],
)
def test_filters_and_orders(reft: Reft, words: list[str], expected: list[str]) -> None:
    assert paths(reft("runs", *words)) == expected


def test_a_damaged_run_is_listed_and_null_is_a_setting(
    reft: Reft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path / "outputs" / "clipped")
    write_run(tmp_path / "outputs" / "unclipped", "ppo.value_clip=null")
    torn = write_run(tmp_path / "outputs" / "torn", "ppo.lr=1e-3") / "config.yaml"
    torn.write_text("model: {")
    monkeypatch.chdir(tmp_path)
    lines = {line.split()[-1]: line.split() for line in reft("runs").out.splitlines()}
    assert lines["outputs/torn"][0] == "damaged"
    assert not any("=" in word for word in lines["outputs/torn"])
    assert [word.partition("=")[0] for word in lines["outputs/clipped"] if "=" in word] == ["ppo.value_clip"]
    assert "ppo.value_clip=null" in lines["outputs/unclipped"]
    assert "ppo.value_clip=0.2" in lines["outputs/clipped"]


def test_where_many_settings_differ_each_run_shows_what_sets_it_apart(
    reft: Reft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = ("ppo.lam=0.5", "ppo.gamma=0.5", "ppo.lr=1e-3", "ppo.clip=0.1", "ppo.epochs=3", "warmup.epochs=3")
    for name, overrides in (("odd", many), ("usual", ()), ("same", ())):
        write_run(tmp_path / "outputs" / name, *overrides)
    monkeypatch.chdir(tmp_path)
    settings = {
        line.split()[-1]: {word for word in line.split() if "=" in word} for line in reft("runs").out.splitlines()
    }
    assert settings["outputs/usual"] == settings["outputs/same"] == set()
    assert {word.partition("=")[0] for word in settings["outputs/odd"]} == {word.partition("=")[0] for word in many}


def test_what_a_model_or_method_brings_with_it_is_no_setting(
    reft: Reft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs of one model, data set, kind of reasoning and method are told apart by options, all others by columns."""
    runs = {
        "plain": (),
        "held": ("ppo.kl_coef=0.2", "seed=1"),
        "grpo": ("method=grpo",),
        "dapo": ("method=dapo",),
        "sft": ("method=sft",),
        "large": ("model=codellama", "data=gsm8k"),
        "natural": ("model=codellama", "data=gsm8k", "cot=natural", "reward=exact"),
    }
    for name, overrides in runs.items():
        write_run(tmp_path / "outputs" / name, *overrides)
    monkeypatch.chdir(tmp_path)
    ended = reft("runs")
    settings = {line.split()[-1]: [word for word in line.split() if "=" in word] for line in ended.out.splitlines()[1:]}
    usual = ["cot.name=program", "reward.function=partial"]
    assert settings == {
        "outputs/plain": [*usual, "ppo.kl_coef=0.01", "seed=0"],
        "outputs/held": [*usual, "ppo.kl_coef=0.2", "seed=1"],
        **{f"outputs/{name}": [*usual, "seed=0"] for name in ("grpo", "dapo", "sft", "large")},
        "outputs/natural": ["cot.name=natural", "reward.function=exact", "seed=0"],
    }
    assert max(map(len, ended.out.splitlines())) < 150


def test_of_very_many_settings_a_run_shows_some_and_counts_the_rest(
    reft: Reft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path / "outputs" / "older", minutes_ago=20)
    write_run(tmp_path / "outputs" / "newer", "preset=released_code", minutes_ago=10)
    monkeypatch.chdir(tmp_path)
    newer, older = reft("runs").out.splitlines()[1:]
    assert older.split()[4] == "reward.function=partial"
    assert sum("=" in word for word in older.split()) == 1  # it is what the newer one departs from
    assert re.search(r" reward\.function=released( [\w.]+=\S+){6} and \d+ more ", newer)


def test_forks_stand_below_their_run(reft: Reft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origins = {"a": None, "b": None, "a1": "a@12", "a2": "a@best", "a11": "a1@30", "lost": "gone@9"}
    for minutes, (name, origin) in enumerate(origins.items(), start=10):
        config = write_run(tmp_path / "outputs" / name, minutes_ago=minutes) / "config.yaml"
        if origin is not None:
            fork = f"fork: {tmp_path}/outputs/{origin}"
            config.write_text(config.read_text().replace("fork: null", fork))
    monkeypatch.chdir(tmp_path)
    head, *lines = reft("runs").out.splitlines()
    assert head.split()[-3:] == ["fork", "of", "path"]
    assert [line.partition(" min ")[2].split() for line in lines] == [
        ["outputs/a"],
        ["@12", "└─", "outputs/a1"],
        ["@30", "└─", "outputs/a11"],
        ["@best", "└─", "outputs/a2"],
        ["outputs/b"],
        ["outputs/gone@9", "outputs/lost"],
    ]
    places = [line.find("└") for line in lines]
    assert places[2] == places[1] + 3 == places[3] + 3
    assert "fork=" not in "".join(lines)
    flat = reft("runs", "--sort", "-test").out
    assert "└" not in flat
    assert "outputs/a1@30" in flat


def test_a_limit_says_that_there_are_more(reft: Reft) -> None:
    ended = reft("runs", "--limit", "2")
    assert paths(ended) == STUDY[:2]
    assert ended.err == "the first 2 of 5 runs; --all lists all\n"
    assert len(paths(reft("runs", "--limit", "2", "--all"))) == 5


def test_nothing_found_is_said(reft: Reft) -> None:
    assert reft("runs", "--state", "pruned") == Ended(0, "none of the 5 runs matches\n", "")


def test_csv_and_json_have_all_columns(reft: Reft) -> None:
    rows = list(csv.DictReader(io.StringIO(reft("runs", "--csv").out)))
    records = json.loads(reft("runs", "--json").out)
    assert [row["run"] for row in rows] == [record["run"] for record in records] == [*STUDY, FAILED, OLD]
    assert float(rows[1]["final_test_accuracy"]) == records[1]["final_test_accuracy"] == 0.6
    assert float(rows[1]["config.ppo.kl_coef"]) == records[1]["config.ppo.kl_coef"] == 0.05
    assert set(rows[0]) == set(records[0])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--state", "finnished"], "--state finnished: no run is ever in that state; did you mean finished?"),
        (["--study", "kll"], "--study kll: there is no such study; did you mean kl?"),
        (["--study", "xyzzy"], "--study xyzzy: there is no such study; there is kl."),
        (["--where", "ppo.kl_coff=1"], "no run has an option or column 'ppo.kl_coff'; did you mean ppo.kl_coef?"),
        (["--sort", "tst"], "no run has an option or column 'tst'; did you mean test?"),
        (["--where", "kl"], "--where kl: write KEY=VALUE, such as ppo.kl_coef=0.05 or model=tiny."),
        (["--where", "model<tiny"], "--where model<tiny: < takes a number."),
        (["--stat", "failed"], "No such option: --stat; did you mean --state?"),
        (["--limit", "none"], "Invalid value for '--limit': "),
        (["nowhere"], "nowhere does not exist (seen from "),
    ],
)
def test_bad_input_is_one_sentence(reft: Reft, words: list[str], sentence: str) -> None:
    assert reft("runs", *words).sentence.startswith(sentence)


def test_a_folder_without_runs_is_said(reft: Reft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert reft("runs").sentence.startswith(f"there is no outputs/ or multirun/ in {tmp_path}; ")
    (tmp_path / "outputs").mkdir()
    assert reft("runs").sentence == f"there are no runs in outputs (seen from {tmp_path})."


def test_an_age_is_in_its_largest_unit() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    ages = [age(now - timedelta(seconds=seconds), now) for seconds in (0, 59, 60, 7199, 86399, 86400, -5)]
    assert ages == ["0 s", "59 s", "1 min", "1 h", "23 h", "1 d", "0 s"]
    assert age(None) == ""


def test_loaded_runs_are_printed_as_a_table(made: Path) -> None:
    head, columns, *lines = str(load(made / "multirun")).splitlines()
    assert head == "3 runs; .table has all columns"
    assert columns.split() == [
        *("run", "state", "name", "method", "seed"),
        *("final_dev_accuracy", "final_test_accuracy"),
    ]
    assert [line.split()[:2] for line in lines] == [["kl/0", "finished"], ["kl/1", "finished"], ["kl/2", "crashed"]]
    assert lines[1].split()[-1] == "0.600"


def test_a_debug_run_shows_its_file_and_what_differs_from_it(
    reft: Reft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path / "outputs" / "plain", minutes_ago=30)
    write_run(tmp_path / "outputs" / "other", "ppo.kl_coef=0.2", minutes_ago=25)
    write_run(tmp_path / "outputs" / "quick", "debug=quick", minutes_ago=20)
    write_run(tmp_path / "outputs" / "longer", "debug=quick", "ppo.iterations=7", minutes_ago=10)
    monkeypatch.chdir(tmp_path)
    ended = reft("runs")
    settings = {line.split()[-1]: [word for word in line.split() if "=" in word] for line in ended.out.splitlines()[1:]}
    assert settings == {
        "outputs/longer": ["debug=quick", "ppo.iterations=7", "ppo.kl_coef=0.01"],
        "outputs/quick": ["debug=quick", "ppo.iterations=60", "ppo.kl_coef=0.01"],
        "outputs/other": ["ppo.iterations=60", "ppo.kl_coef=0.2"],
        "outputs/plain": ["ppo.iterations=60", "ppo.kl_coef=0.01"],
    }
    alone = reft("runs", "--where", "debug=quick").out.splitlines()[1:]
    assert [line.split()[-1] for line in alone] == ["outputs/longer", "outputs/quick"]
    assert [word for word in alone[1].split() if "=" in word] == ["debug=quick", "ppo.iterations=2"]
