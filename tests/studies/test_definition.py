"""A composed config and a command line make one complete definition."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from reft_lab.command.launch import check_command
from reft_lab.command.work import Study
from reft_lab.compose.composed import compose_command
from reft_lab.studies.definition import Definition
from reft_lab.studies.from_config import from_config
from reft_lab.studies.objective import Objective
from reft_lab.studies.parameter import Parameter
from reft_lab.studies.storage import differences
from reft_lab.studies.trial_runs import words_of


def define(*words: str, config_dir: Path | None = None) -> Definition:
    """The definition as the front door makes it."""
    flags = [f"--config-dir={config_dir}"] if config_dir else []
    return from_config(compose_command(["-m", *flags, *words]))


def keys(definition: Definition) -> list[str]:
    return [parameter.key for parameter in definition.space]


def test_a_study_from_its_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = define("sweeps=reft_search", "sweeps.trials=8", "debug=quick")
    assert study.name == "reft_search"
    assert study.folder == tmp_path / "multirun" / "reft_search"
    assert study.storage == f"journal://{tmp_path}/multirun/reft_search/journal.log"
    assert keys(study) == ["ppo.lam", "ppo.gamma", "ppo.kl_coef", "warmup.epochs"]
    assert study.space[2].log
    assert study.space[3].kind == "int"
    assert study.fixed == ("baseline=null", "debug=quick")
    assert study.objectives == (Objective("accuracy", "maximize"),)
    assert (study.trials, study.workers, study.gpus, study.seeds) == (8, 1, None, ())
    assert (study.sampler.name, study.pruner.name) == ("tpe", "median")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {"ppo.lam": 0.95, "ppo.gamma": 1.0, "ppo.kl_coef": 0.01, "warmup.epochs": 20}),
        (
            ["model=codellama", "data=gsm8k"],
            {"ppo.lam": 0.95, "ppo.gamma": 1.0, "ppo.kl_coef": 0.01, "warmup.epochs": 2},
        ),
        (["model=galactica", "data=svamp", "cot=natural"], {"ppo.kl_coef": 0.05, "warmup.epochs": 2}),
    ],
)
def test_a_search_begins_with_the_experiment_as_it_stands(words, expected):
    (first,) = define("sweeps=reft_search", *words).first
    assert {key: first[key] for key in expected} == expected


def test_a_space_from_the_command_line():
    study = define("ppo.lam=interval(0.9,1.0)", "ppo.kl_coef=tag(log,interval(1e-4,1e-1))", "sweeps=optuna", "seed=3")
    assert study.space == (
        Parameter("ppo.lam", "float", 0.9, 1.0),
        Parameter("ppo.kl_coef", "float", 1e-4, 0.1, log=True),
    )
    assert study.fixed == ("baseline=null", "seed=3")
    assert study.trials == 20


def test_the_command_line_comes_before_the_file():
    study = define(
        "sweeps=reft_search", "ppo.lam=0.97", "ppo.gamma=interval(0.9,1)", "baseline=sft", "reward=exact,partial"
    )
    assert keys(study) == ["ppo.gamma", "ppo.kl_coef", "warmup.epochs", "reward"]
    assert study.space[0].low == 0.9
    assert study.fixed == ("ppo.lam=0.97", "baseline=sft")
    assert set(study.first[0]) == {"ppo.gamma", "ppo.kl_coef", "warmup.epochs"}


def test_what_a_study_fixes_of_its_own_files_goes_with_them(tmp_path):
    """data.source=paper belongs to the data sets that the study names, not to another on the command line."""
    (tmp_path / "conf" / "sweeps").mkdir(parents=True)
    file = tmp_path / "conf" / "sweeps" / "own.yaml"

    def words(*given: str) -> list[str]:
        study = define("sweeps=own", *given, config_dir=tmp_path / "conf")
        return [word for word in study.fixed if word.startswith("data.")]

    file.write_text(OWN + "  data: [gsm8k, svamp]\nfixed: [data.source=paper, data.dev_size=100]\n")
    assert words() == words("data=gsm8k") == ["data.source=paper", "data.dev_size=100"]
    assert words("data=gsm8k", "data.source=hub") == ["data.dev_size=100", "data.source=hub"]
    assert words("data=gsm8k,arithmetic") == []
    file.write_text(OWN + "fixed: [data=gsm8k, data.source=paper, data.dev_size=100]\n")
    assert words() == ["data.source=paper", "data.dev_size=100"]
    assert words("data=arithmetic", "data.dev_size=50") == ["data.dev_size=50"]


def test_grids_have_as_many_trials_as_points():
    assert define("sweeps=lambda_gamma").trials == 6
    assert define("sweeps=lambda_gamma", "sweeps.trials=6").trials == 6
    study = define("sweeps=optuna", "sweeps/sampler=grid", "warmup.epochs=interval(1,3)", "ppo.lam=range(0.8,1,0.1)")
    assert study.trials == 6


def test_several_objectives():
    study = define("sweeps=accuracy_kl")
    assert study.objectives == (Objective("accuracy", "maximize"), Objective("ppo/kl_ref", "minimize"))


@pytest.mark.parametrize(
    ("method", "metric", "direction"),
    [
        ("reft", "accuracy", "maximize"),
        ("reft", "ppo/kl_ref", "minimize"),
        ("reft", "time/rollout_tokens_per_second", "maximize"),
        ("sft", "sft/loss", "minimize"),
        ("sft", "time/step_seconds", "minimize"),
    ],
)
def test_the_catalogue_knows_which_way_is_better(method, metric, direction):
    study = define("sweeps=seeds", f"method={method}", f"sweeps.objective=[{metric}]")
    assert study.objectives == (Objective(metric, direction),)


def test_what_the_command_line_says_of_the_direction_counts():
    words = ("sweeps=seeds", "sweeps.objective=[eval/outcome/wrong]", "sweeps.direction=[minimize]")
    assert define(*words).objectives == (Objective("eval/outcome/wrong", "minimize"),)


def test_what_is_set_for_a_study(tmp_path):
    study = define(
        *("sweeps=kl", "sweeps.seeds=[0,1,2]", "sweeps.workers=4", "sweeps.gpus=[0,1]", "sweeps.retries=3"),
        *(f"sweeps.storage=sqlite:///{tmp_path}/study.db", f"hydra.sweep.dir={tmp_path}/here", "sweeps.name=mine"),
    )
    assert (study.seeds, study.workers, study.gpus, study.retries) == ((0, 1, 2), 4, (0, 1), 3)
    assert study.storage == f"sqlite:///{tmp_path}/study.db"
    assert (study.name, study.folder) == ("mine", tmp_path / "here")


OWN = """
defaults:
  - sampler: random
  - _self_
  - override /hydra/sweeper@_global_.hydra.sweeper: study

name: own
params:
  ppo.lam: [0.9, 1]
"""
GLOBAL = """
# @package _global_
defaults:
  - /sweeps/sampler@sweeps.sampler: random
  - _self_
  - override /hydra/sweeper: study

ppo:
  gamma: 0.99
hydra:
  sweeper:
    params:
      ppo.lam: interval(0.9, 1)
      ppo.gamma: interval(0.9, 1)
sweeps:
  name: own
  params:
    ppo.gamma: choice(0.95, 1.0)
"""


@pytest.mark.parametrize("text", [OWN, GLOBAL.lstrip()])
def test_a_file_of_ones_own_in_another_folder(tmp_path, text):
    (tmp_path / "conf" / "sweeps").mkdir(parents=True)
    (tmp_path / "conf" / "sweeps" / "own.yaml").write_text(text)
    study = define("sweeps=own", config_dir=tmp_path / "conf")
    assert (study.name, study.sampler.name) == ("own", "random")
    assert "ppo.lam" in keys(study)
    assert study.flags == (f"--config-dir={tmp_path / 'conf'}",)


def test_options_that_a_global_file_sets_reach_the_runs(tmp_path):
    (tmp_path / "conf" / "sweeps").mkdir(parents=True)
    (tmp_path / "conf" / "sweeps" / "own.yaml").write_text(GLOBAL.lstrip().replace("  gamma: 0.99", "  clip: 0.3"))
    study = define("sweeps=own", "seed=1", config_dir=tmp_path / "conf")
    assert study.fixed == ("ppo.clip=0.3", "seed=1")
    assert study.space[1] == Parameter("ppo.gamma", "choice", choices=(0.95, 1.0))


def test_a_file_refers_to_the_experiment_that_it_makes(tmp_path):
    (tmp_path / "conf" / "sweeps").mkdir(parents=True)
    text = OWN + "fixed: [model=codellama, method=reft]\nfirst:\n  - ppo.lam: ${ppo.lam}\ntrials: ${warmup.epochs}\n"
    (tmp_path / "conf" / "sweeps" / "own.yaml").write_text(text.replace("[0.9, 1]", "interval(0.9, 1)"))
    study = define("sweeps=own", config_dir=tmp_path / "conf")
    assert study.fixed == ("model=codellama", "method=reft")
    assert study.first == ({"ppo.lam": 0.95},)
    assert study.trials == 2  # of codellama; the tiny model's are 20
    assert define("sweeps=own", "model=tiny", config_dir=tmp_path / "conf").trials == 20


def test_the_identity_is_what_must_not_change():
    base = define("sweeps=reft_search", "seed=1", "ppo.clip=0.3")
    identity = base.identity()
    assert json.loads(json.dumps(identity)) == identity
    same = define(
        *("sweeps=reft_search", "tracker=none", "ppo.clip=0.3", "tracker.group=x", "seed=1", "checkpoint.keep=1"),
        *("sweeps.trials=50", "sweeps.workers=3", "sweeps.gpus=[1]", "sweeps.retries=0", "sweeps.confirm=0"),
        *("sweeps.max_failure_rate=1", "sweeps.storage=journal:///elsewhere", "hydra.sweep.dir=elsewhere"),
    )
    assert same.identity() == identity
    for change in (
        {"space": base.space[1:]},
        {"space": (replace(base.space[0], low=0.8), *base.space[1:])},
        {"fixed": (*base.fixed, "ppo.lam=0.9")},
        {"fixed": base.fixed[:1]},
        {"first": ()},
        {"seeds": (0, 1)},
        {"objectives": (Objective("accuracy", "minimize"),)},
        {"sampler": replace(base.sampler, seed=1)},
        {"pruner": replace(base.pruner, name="none")},
    ):
        assert replace(base, **change).identity() != identity, change


def test_a_run_on_another_seed_has_that_seed_only():
    """As when winner and first setting are run on fresh seeds: run.py takes no option twice."""
    study = define("sweeps=reft_search", "seed=3", "tracker.group=mine")
    words = words_of(study, ("ppo.lam=0.9",), 1000)
    assert [word for word in words if word.startswith("seed=")] == ["seed=1000"]
    assert len({word.partition("=")[0] for word in words}) == len(words)
    assert "seed=3" in words_of(study, ("ppo.lam=0.9",), None)


def test_a_reward_of_ones_own_is_searched(tmp_path, monkeypatch):
    (tmp_path / "own_rewards_to_search.py").write_text("def strict(outcome):\n    return 0.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    study = check_command(["-m", "sweeps=reward", "reward=exact,own_rewards_to_search.strict", "debug=quick"])
    assert isinstance(study, Study)
    assert study.definition.space[0].choices == ("exact", "own_rewards_to_search.strict")


def test_what_a_study_was_begun_with_is_told_word_by_word():
    begun = define("sweeps=reft_search", "ppo.clip=0.3")
    other = replace(begun, fixed=(*begun.fixed[:-1], "ppo.clip=0.1", "ppo.epochs=1"))
    assert differences(begun.identity(), other.identity()) == [
        "fixed.ppo.clip: 0.3 -> 0.1",
        "fixed.ppo.epochs: nothing -> 1",
    ]
