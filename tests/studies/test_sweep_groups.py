"""sweeps/ is a group of choices like those in conf/, and no other folder of the repository is."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
import yaml
from hydra.types import RunMode
from omegaconf import OmegaConf

from reft_lab.command.help import summary
from reft_lab.command.launch import check_command
from reft_lab.command.run_folder import claim
from reft_lab.command.work import Study
from reft_lab.compose.conf import Conf, register_schema
from reft_lab.config.check import check
from reft_lab.config.sweeps import PRUNERS, SAMPLERS
from tests.real_run import REPO

FILES = sorted(file.stem for file in (REPO / "sweeps").glob("*.yaml"))
INSIDE = sorted(
    f"{folder}/{file.stem}" for folder in ("paper", "tune") for file in (REPO / "sweeps" / folder).iterdir()
)
SPACE = ["ppo.lam=interval(0.9,1)", "ppo.kl_coef=tag(log,interval(1e-4,1e-1))"]


@pytest.fixture(scope="module")
def conf() -> Conf:
    register_schema()
    return Conf()


def test_only_sweeps_joins_the_groups_of_conf(conf):
    folders = {folder.name for folder in (REPO / "conf").iterdir() if folder.is_dir()}
    assert set(conf.groups) == folders | {"sweeps", "sweeps/sampler", "sweeps/pruner"}
    assert sorted(conf.choices("sweeps")) == sorted(FILES + INSIDE)
    assert sorted(conf.choices("sweeps/sampler")) == sorted(SAMPLERS)
    assert sorted(conf.choices("sweeps/pruner")) == sorted(PRUNERS)


@pytest.mark.parametrize("name", FILES)
def test_every_study_can_be_run_and_says_what_it_is(conf, name):
    words = ["-m", f"sweeps={name}", "debug=quick", *(SPACE if name == "optuna" else [])]
    study = check_command(words)
    assert isinstance(study, Study)
    assert study.composed.node.hydra.sweep.dir == f"multirun/{name}"
    assert study.definition.name == name
    assert "debug=quick" in study.definition.fixed
    assert summary("sweeps", name)
    text = (REPO / "sweeps" / f"{name}.yaml").read_text()
    assert f"\n#   python run.py -m sweeps={name}" in text


@pytest.mark.parametrize(
    "file",
    [file for part in ("sampler", "pruner") for file in (REPO / "sweeps" / part).iterdir()],
    ids=lambda file: f"{file.parent.name}-{file.stem}",
)
def test_samplers_and_pruners_are_named_for_their_files(conf, file):
    part = file.parent.name
    choice = f"sweeps/{part}={file.stem}"
    composed = conf.compose(["sweeps=optuna", choice], RunMode.MULTIRUN)
    assert composed.sweeps[part].name == file.stem
    assert summary(f"sweeps/{part}", file.stem)
    assert choice in file.read_text()
    for option, value in yaml.safe_load(file.read_text()).items():
        assert composed.sweeps[part][option] == value


def test_an_experiment_is_the_same_with_and_without_a_study(conf):
    plain, study = conf.compose([]), conf.compose(["sweeps=kl"], RunMode.MULTIRUN)
    assert plain.sweeps is None
    assert check(plain) == check(study)
    assert "sweeps" not in OmegaConf.to_container(OmegaConf.structured(check(plain)))


def test_the_folder_of_a_study_is_named_for_it_and_may_be_there(conf, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    composed = conf.compose(["sweeps=kl", "sweeps.name=mine"], RunMode.MULTIRUN)
    folder, told = claim(composed, [])
    assert str(folder) == "multirun/mine"
    assert told == []
    (folder / "journal.log").write_text("kept")
    assert claim(composed, []) == (folder, [])
    assert (folder / "journal.log").read_text() == "kept"


def test_plain_multirun_keeps_its_dated_folder(conf):
    composed = conf.compose(["seed=0,1"], RunMode.MULTIRUN)
    assert composed.hydra.sweeper._target_.endswith(".BasicSweeper")
    day, _, rest = str(composed.hydra.sweep.dir).removeprefix("multirun/").partition("/")
    assert len(day.split("-")) == 3
    assert rest.endswith("-tiny-arithmetic-program-reft")


def run(*words: str, cwd: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(REPO / "run.py"), *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=os.environ)


def test_help_lists_studies_and_no_other_folder(tmp_path):
    for folder in ("outputs", "multirun", "docs"):
        (tmp_path / folder).mkdir()
    shown = run("--help", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    for name in FILES + INSIDE:
        assert re.search(rf"\s{name}[\s,]", shown.stdout)
    first_words = {line.split()[0] for line in shown.stdout.splitlines() if line.startswith("  ") and line.split()}
    assert {"sweeps", "sweeps/sampler", "sweeps/pruner"} <= first_words
    assert not first_words & {"outputs", "multirun", "docs", "tests", "benchmarks", "reft_lab"}


def test_a_study_is_composed_by_hydra_itself_from_any_folder(tmp_path):
    """`--info` goes through hydra.main, which finds sweeps/ by the plugin alone."""
    shown = run("sweeps=reft_search", "sweeps/sampler=gp", "--cfg", "job", "--package", "sweeps", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert yaml.safe_load(shown.stdout)["sampler"]["name"] == "gp"
    assert list(tmp_path.iterdir()) == []
    groups = run("--info", "config", "sweeps=kl", cwd=tmp_path)
    assert groups.returncode == 0, groups.stderr
    assert f"sweeps://{REPO}" in groups.stdout


def test_the_shell_completes_studies(tmp_path):
    env = {**os.environ, "COMP_LINE": "run.py sweeps=k", "COMP_POINT": "15"}
    command = [sys.executable, str(REPO / "run.py"), "-sc", "query=bash"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=env)
    assert "sweeps=kl" in done.stdout.split(), done.stderr
