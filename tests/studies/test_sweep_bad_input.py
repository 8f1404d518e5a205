"""Whatever is wrong with a study, it is one sentence before the first trial."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hydra.errors import MissingConfigException

from reft_lab.command.launch import check_command
from reft_lab.compose.conf import register_schema
from reft_lab.config.explain import explain
from reft_lab.errors import BadInput
from tests.command.said import complaint

PAIR = "sweeps.zip=[[ppo.lr,ppo.kl_coef]]"
SEARCH = "sweeps=reft_search"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch) -> None:
    register_schema()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        # no study, or not one
        (["sweeps=kl"], "sweeps=kl is a study of many runs; add -m, as in python run.py -m sweeps=kl."),
        (["sweeps.trials=3"], "sweeps.trials=3 is about a study; say which, as in -m sweeps=optuna."),
        (["-m", "sweeps/sampler=gp"], "say which, as in -m sweeps=optuna"),
        (["-m", "hydra/sweeper=study"], "say which, as in -m sweeps=optuna"),
        (["-m", "sweeps=kl,reward"], "a command line has one study"),
        (["-m", SEARCH, "sweeps.trials=4,8"], "a command line has one study"),
        (
            ["-m", "sweeps=kll"],
            "sweeps=kll is not a choice: `python run.py --help` lists what there is; did you mean kl?",
        ),
        (["-m", "sweeps=sampler/tpe"], "sweeps=sampler/tpe is not a choice"),
        (["-m", SEARCH, "sweeps/sampler=tpee"], "did you mean tpe?"),
        (["-m", SEARCH, "sweeps/pruner=succesive_halving"], "did you mean successive_halving?"),
        (["-m", SEARCH, "hydra/sweeper=basic"], "sweeps= has a sweeper of its own"),
        # sweep syntax without a sweeper
        (["-m", "ppo.lam=interval(0.9,1)"], "add sweeps=optuna, or list some, as in ppo.lam=0.9,0.95."),
        (["ppo.lam=interval(0.9,1)"], "asks for several runs; add -m"),
        # options of a study
        (["-m", SEARCH, "sweeps.trails=3"], "did you mean sweeps.trials?"),
        (["-m", SEARCH, "sweeps.trials=0"], "sweeps.trials=0 is not possible: it must be a whole number at least 1"),
        (["-m", SEARCH, "sweeps.trials=many"], "sweeps.trials=many is not possible"),
        (["-m", SEARCH, "sweeps.workers=0"], "sweeps.workers=0 is not possible"),
        (["-m", SEARCH, "sweeps.max_failure_rate=1.5"], "a number from 0 to 1"),
        (["-m", SEARCH, "sweeps.sampler.name=tpee"], "did you mean tpe?"),
        (["-m", SEARCH, "sweeps.seeds=[0,0]"], "sweeps.seeds=[0, 0] is not possible"),
        (["-m", SEARCH, "sweeps.seeds=[-1]"], "sweeps.seeds=[-1] is not possible"),
        (["-m", SEARCH, "sweeps.seeds=[a]"], "sweeps.seeds=a is not possible: it must be a list of whole numbers"),
        (["-m", SEARCH, "sweeps.gpus=[0,0]"], "sweeps.gpus=[0, 0] is not possible"),
        (["-m", SEARCH, "sweeps.gpus=[]"], "names no GPU"),
        (
            ["-m", SEARCH, "hydra/launcher=submitit_local", "hydra.launcher.nodes=2"],
            "hydra.launcher.nodes=2 is not possible: each job of a study is one run on one machine",
        ),
        (
            ["-m", SEARCH, "hydra/launcher=submitit_slurm", "hydra.launcher.gpus_per_node=1", "trainer.devices=4"],
            "hydra.launcher.gpus_per_node=1 is too few for trainer.devices=4",
        ),
        (
            ["-m", SEARCH, "sweeps.gpus=[0,1,2]", "trainer.devices=2"],
            "in sets of trainer.devices=2; name a multiple of 2",
        ),
        (["-m", SEARCH, "sweeps.name=a/b"], "it names a folder"),
        (["-m", SEARCH, "sweeps.seeds=[0,1]", "seed=2"], "leave seed= out"),
        (["-m", "sweeps=seeds", "sweeps.seeds=[0,1]"], "leave seed= out"),
        (["-m", "sweeps=seeds", "sweeps.confirm=2"], "the seed is searched"),
        (["-m", "sweeps=accuracy_kl", "sweeps.confirm=2"], "no one winner"),
        (["-m", SEARCH, "sweeps.params.ppo.lam=interval(0,1)"], "write what is searched by itself"),
        (["-m", "sweeps=kl", "sweeps.params={ppo.lam: 'interval(0,1)'}"], "write what is searched by itself"),
        # the space
        (["-m", "sweeps=optuna"], "the study has nothing to search"),
        (["-m", "sweeps=optuna", "ppo.lam=0.9"], "the study has nothing to search"),
        (["-m", "sweeps=optuna", "ppo.lamda=interval(0.9,1)"], "ppo.lamda is not an option; did you mean ppo.lam?"),
        (["-m", "sweeps=optuna", "ppo.lam=interval(1,0.9)"], "is empty"),
        (
            ["-m", "sweeps=optuna", "ppo.lam=interval(0.9,1.2)"],
            "ppo.lam=1.2 is not possible: it must be a number from 0",
        ),
        (["-m", "sweeps=optuna", "ppo.lam=interval(-1,1)"], "ppo.lam=-1.0 is not possible"),
        (["-m", "sweeps=optuna", "reward=exact,partail"], "did you mean partial?"),
        (["-m", "sweeps=optuna", "reward=exact,no_such_module.function"], "no_such_module"),
        (["-m", "sweeps=optuna", "ppo.lam=0.9,x"], "ppo.lam=x is not possible"),
        (["-m", "sweeps=optuna", "ppo.mini_batch=interval(8,512)"], "ppo.mini_batch=512 is more than ppo.rollouts=128"),
        (["-m", "sweeps=optuna", "ppo.lam=interval(0.9,1)", "ppo.clip=-1"], "ppo.clip=-1"),
        # settings to begin with, and those that stay
        (["-m", SEARCH, "sweeps.first=[{ppo.lamda: 1}]"], "did you mean ppo.lam?"),
        (["-m", SEARCH, "sweeps.first=[{ppo.lam: 0.5}]"], "ppo.lam=0.5, which is outside interval(0.9, 1.0)"),
        (["-m", SEARCH, "ppo.lam=interval(0.98,1)"], "sweeps.first, entry 0, has ppo.lam=0.95, which is outside"),
        (["-m", SEARCH, "sweeps.first=[{},{}]", "sweeps.trials=1"], "has 2 settings and there are 1 trials"),
        (["-m", "sweeps=kl", "sweeps.first=[{ppo.kl_coef: 0}]"], "does not go with a grid"),
        (["-m", SEARCH, "sweeps.fixed=['ppo.lamda=1']"], "did you mean ppo.lam?"),
        (["-m", SEARCH, "sweeps.fixed=['ppo.lam=1']"], "is in sweeps.fixed and in the space"),
        (["-m", SEARCH, "sweeps.fixed=['sweeps.trials=1']"], "not about an experiment"),
        (["-m", SEARCH, "sweeps.fixed=['nothing']"], "nothing is not OPTION=VALUE"),
        # options that are walked together
        (["-m", "sweeps=kl", "ppo.lr=1e-4,2e-4", PAIR], "ppo.lr has 2 values, ppo.kl_coef has 4 values; list as many"),
        (["-m", "sweeps=kl", "ppo.lrr=1e-4", PAIR], "did you mean ppo.lr?"),
        (["-m", "sweeps=kl", PAIR], "sweeps.zip has ppo.lr, which is not in the space"),
        (["-m", "sweeps=kl", "sweeps.zip=[[ppo.kl_coef]]"], "it takes two options or more"),
        (["-m", "sweeps=kl", "sweeps.zip=[ppo.lr,ppo.kl_coef]"], "did you mean 'sweeps.zip=[[ppo.lr,ppo.kl_coef]]'?"),
        (["-m", "sweeps=kl", "ppo.lr=interval(1e-4,1)", PAIR], "has infinitely many values; list some"),
        # what counts
        (["-m", SEARCH, "sweeps.seeds=0,1"], "write it in brackets: 'sweeps.seeds=[0,1]'."),
        (["-m", SEARCH, "sweeps.seeds=3"], "did you mean 'sweeps.seeds=[3]'?"),
        (["-m", SEARCH, "sweeps.objective=acuracy"], "did you mean 'sweeps.objective=[accuracy]'?"),
        (["-m", SEARCH, "sweeps.objective=[]"], "sweeps.objective is empty"),
        (["-m", SEARCH, "sweeps.objective=[acuracy]"], "acuracy, which is no metric; did you mean accuracy?"),
        (["-m", SEARCH, "sweeps.objective=[ppo/kl_reff]"], "did you mean ppo/kl_ref?"),
        (["-m", SEARCH, "sweeps.objective=[sft/loss]"], "which a run of method=reft does not record"),
        (["-m", SEARCH, "method=sft", "sweeps.objective=[ppo/kl_ref]"], "which a run of method=sft does not record"),
        (["-m", SEARCH, "sweeps.direction=[up]"], "it takes maximize and minimize"),
        (
            ["-m", SEARCH, "sweeps.objective=[accuracy,ppo/kl_ref]", "sweeps.direction=[maximize]"],
            "sweeps.objective has 2 and sweeps.direction 1",
        ),
        (["-m", SEARCH, "sweeps.objective=[rollout/length]"], "rollout/length, which is not better one way or the"),
        (["-m", SEARCH, "method=sft", "sweeps.objective=[time/rollout_seconds]"], "method=sft does not record"),
        (
            ["-m", "sweeps=seeds", "method=grpo", "sweeps.objective=[ppo/value_loss]"],
            "and these runs have no value model",
        ),
        (["-m", "sweeps=accuracy_kl", "sweeps.objective=[accuracy,accuracy]"], "twice"),
        # samplers and pruners
        (
            ["-m", SEARCH, "sweeps/sampler=grid"],
            "sweeps/sampler=grid tries every value, and ppo.lam=interval(0.9, 1.0)",
        ),
        (["-m", "sweeps=seeds", "seed=range(0,1000000000)"], "the grid has 1000000000 points"),
        (["-m", "sweeps=kl", "sweeps.trials=3"], "does not go with a grid, which has 4 points"),
        (["-m", "sweeps=reward", "sweeps/sampler=gp"], "needs at least one numeric option"),
        (["-m", "sweeps=reward", "sweeps/sampler=cmaes"], "needs at least two numeric options"),
        (["-m", "sweeps=accuracy_kl", "sweeps/sampler=cmaes"], "works with a single objective"),
        (["-m", "sweeps=accuracy_kl", "sweeps/pruner=hyperband"], "judges by a single objective"),
        (
            ["-m", SEARCH, "sweeps/pruner=hyperband", "sweeps.pruner.min_resource=9", "sweeps.pruner.max_resource=3"],
            "sweeps.pruner.min_resource=9 is more than",
        ),
        # storage
        (["-m", SEARCH, "sweeps.storage=nonsense"], "sweeps.storage=nonsense is not the address of a database"),
        (["-m", SEARCH, "sweeps.storage=nonsense://x/y"], "is not the address of a database"),
        (["-m", SEARCH, "sweeps.storage=journal://here"], "write journal:///ABSOLUTE_FILE"),
        (["-m", SEARCH, "sweeps.storage='sqlite:///:memory:'"], "is in memory"),
        (["-m", SEARCH, "sweeps.storage=sqlite:///no/such/folder/study.db"], "is in a folder that does not exist"),
        (["-m", SEARCH, "sweeps.storage=mysql://x/y"], "needs the package"),
    ],
)
def test_one_sentence_and_nothing_written(words, expected, tmp_path):
    assert expected in complaint(*words)
    assert not list(tmp_path.iterdir())


def test_a_postgres_url_without_its_driver_says_what_to_install(monkeypatch):
    for name in ("psycopg", "psycopg2"):
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    url = "postgresql+psycopg://me@here/studies"
    assert "pip install 'reft_lab[postgres]'" in complaint("-m", SEARCH, f"sweeps.storage={url}")


def test_a_folder_of_a_plain_multirun_is_left_alone(tmp_path):
    (tmp_path / "multirun" / "kl").mkdir(parents=True)
    (tmp_path / "multirun" / "kl" / "multirun.yaml").write_text("mine")
    assert "holds a plain multirun and no study" in complaint("-m", "sweeps=kl")


def test_a_file_without_its_sweeper_says_what_it_lacks(tmp_path):
    folder = tmp_path / "own" / "sweeps"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("name: mine\nparams:\n  ppo.lam: interval(0.9, 1)\n")
    said = complaint(f"--config-dir={folder.parent}", "-m", "sweeps=mine")
    assert "override /hydra/sweeper@_global_.hydra.sweeper: study" in said


@pytest.mark.parametrize(
    "words",
    [
        ["-m", "sweeps=optuna", "ppo.lamda=interval(0.9,1)"],
        ["-m", "ppo.lam=interval(0.9,1)"],
        ["sweeps=kl"],
    ],
)
def test_the_command_ends_with_2(words, tmp_path, repo):
    done = subprocess.run(
        [sys.executable, str(repo / "run.py"), *words], cwd=tmp_path, capture_output=True, text=True, env=os.environ
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_gpus_that_are_not_there_are_refused_before_a_folder_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    work = check_command(["-m", SEARCH, "sweeps.gpus=[0,1]"])
    with pytest.raises(BadInput, match=r"sweeps.gpus=\[0,1\] asks for GPUs, and PyTorch finds none"):
        work.check_machine()
    check_command(["-m", SEARCH]).check_machine()


def test_slurm_that_is_not_there_is_said_before_a_trial_fails_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    monkeypatch.setenv("PATH", "")
    for words in (["-m", SEARCH], ["-m", "seed=0,1"]):
        work = check_command([*words, "hydra/launcher=submitit_slurm"])
        with pytest.raises(BadInput, match=r"needs Slurm, and there is no srun on this machine"):
            work.check_machine()
        check_command([*words, "hydra/launcher=submitit_local"]).check_machine()


def test_a_launcher_that_is_not_installed_says_what_to_install() -> None:
    missing = MissingConfigException("In 'config': Could not find 'hydra/launcher/submitit_slurm'\n\nAvailable", "x")
    assert explain(missing) == (
        "hydra/launcher=submitit_slurm needs a package that is not installed: pip install 'reft_lab[submitit]'."
    )
