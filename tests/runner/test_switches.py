"""Methods that are switches of ReFT's loop (conf/method/): they train, report and go on like it."""

from __future__ import annotations

import json
import random
import shutil
from functools import reduce
from pathlib import Path

import pytest
from safetensors.torch import load_file

from reft_lab.analysis import load
from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.config.schema import Config
from reft_lab.equations.credit import CREDITS
from reft_lab.methods import METHODS
from reft_lab.metrics import CATALOGUE, recorded
from reft_lab.runner import resume
from reft_lab.runner.checkpoint import Checkpoints
from reft_lab.tracking.display import Silence
from reft_lab.tracking.result_table import result_table
from reft_lab.tracking.wandb_labels import tags
from tests.made_once import made_once
from tests.runner.leftovers import assert_same, lines_of, result_of
from tests.runner.processes import Run
from tests.runner.small_runs import finish

LABELS = {
    "grpo": "GRPO",
    "dr_grpo": "Dr. GRPO",
    "dapo": "DAPO",
    "rloo": "RLOO",
    "reinforce_pp": "REINFORCE++",
    "vc_ppo": "VC-PPO",
    "vapo": "VAPO",
}
WITH_CRITIC = {"vc_ppo", "vapo"}
WITHOUT_CRITIC = [name for name in LABELS if name not in WITH_CRITIC]
KILLED = ["grpo", "dapo"]  # by a signal; the others go back to an earlier state, which is quicker
AUDIT = (
    "ppo.critic_warmup=1",
    "ppo.iterations=3",
    "audit.critic=true",
    "audit.critic_every=2",
    "audit.critic_problems=4",
    "audit.critic_states=3",
    "audit.critic_continuations=4",
)
SMALL = (
    "tracker=none",
    "baseline=null",
    "data.train_size=96",
    "data.dev_size=24",
    "data.test_size=32",
    "warmup.epochs=12",
    "ppo.iterations=4",
    "ppo.rollouts=32",
    "ppo.mini_batch=16",
    "ppo.max_new_tokens=32",
    "ppo.eval_every=2",
    "checkpoint.keep=2",
)
WARMUP = 72  # steps


@pytest.fixture(scope="module", params=LABELS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A run of each method. They begin from one warm-up; test_warmups holds that against a warm-up of their own."""
    warmups = made_once(tmp_path_factory, "switches_warmups", lambda _: None)

    def make(folder: Path) -> None:
        finish(folder / "run", *words(request.param), f"checkpoint.warmups={warmups}")

    return request.param, made_once(tmp_path_factory, f"switches_{request.param}", make) / "run"


def words(name: str) -> tuple[str, ...]:
    return (f"method={name}", *SMALL, *(AUDIT if name in WITH_CRITIC else ()))


def switches(name: str) -> set[str]:
    """The options that make metrics recorded and are not as by default."""
    config = check(compose(*words(name)))
    named = {entry.switch for entry in CATALOGUE.values() if entry.switch}
    return {
        switch
        for switch in named
        if reduce(getattr, switch.split("."), config) != reduce(getattr, switch.split("."), Config())
    }


def test_there_is_a_file_for_each(repo: Path) -> None:
    assert {file.stem for file in (repo / "conf" / "method").glob("*.yaml")} == {*METHODS, *LABELS}


def test_it_learns_from_rewards(trained: tuple[str, Path]) -> None:
    iterations = lines_of(trained[1])[WARMUP:]
    assert len(iterations) == 4
    assert any(record["ppo/grad_norm"] > 0 for record in iterations)
    assert result_of(trained[1])["status"] == "finished"


def test_it_records_what_its_switches_say(trained: tuple[str, Path]) -> None:
    name, directory = trained
    found = {metric for record in lines_of(directory) for metric in record}
    critic = name in WITH_CRITIC
    assert found == {
        "step",
        "seconds",
        *recorded(METHODS["reft"].records, critic=critic, switches=switches(name)),
    }


@pytest.mark.parametrize("trained", sorted(WITH_CRITIC), indirect=True)
def test_its_critic_is_audited(trained: tuple[str, Path]) -> None:
    _, directory = trained
    (audit,) = json.loads((directory / "critic_audit.json").read_text())["audits"]
    assert (audit["checkpoint"], audit["when"], len(audit["states"])) == ("last", "iteration 4", 12)
    result = result_of(directory)
    assert result["critic"]["sentence"] == audit["sentence"]
    assert result["seconds"]["critic_audit"] > 0
    assert audit["sentence"] in (directory / "log.txt").read_text()
    assert "Is the critic any good" in (directory / "report.html").read_text()
    audited = [record["step"] for record in lines_of(directory) if "critic/bias" in record]
    assert audited == [WARMUP + 2, WARMUP + 4]


@pytest.mark.parametrize("trained", WITHOUT_CRITIC, indirect=True)
def test_there_are_no_values_anywhere(trained: tuple[str, Path]) -> None:
    _, directory = trained
    names = {name for record in lines_of(directory) for name in record}
    assert not [name for name in names if "value" in name or "explained_variance" in name]
    for sample in lines_of(directory, "samples.jsonl"):
        assert sample["tokens"].keys() == {"text", "advantage", "kl", "ratio"}
    for folder in ("last", "step-74", "last/best", "best", "warmup"):
        tensors = [
            name for file in (directory / "checkpoints" / folder).glob("*.safetensors") for name in load_file(file)
        ]
        assert tensors
        assert not [name for name in tensors if "value_" in name]
        assert not (directory / "checkpoints" / folder / "value_model.safetensors").exists()


def test_it_is_called_by_its_label_everywhere(trained: tuple[str, Path]) -> None:
    name, directory = trained
    label = LABELS[name]
    result = result_of(directory)
    assert (result["method"], result["label"]) == ("reft", label)
    assert result["name"].endswith(f"-{name}")
    assert list(result_table(result).columns[0].cells) == ["after warm-up", f"after {label}"]
    page = (directory / "report.html").read_text()
    assert f"{label} run" in page
    assert f"after {label}" in page
    assert "ReFT" not in page.partition('id="s-config"')[0].partition("<header")[2].partition("<script")[0]
    assert load(directory).table.method.tolist() == [label]
    config = check(compose(f"method={name}"))
    assert {f"method:{label}", "stage:warmup", "stage:reft", "reward:partial"} <= set(tags(config))


@pytest.mark.parametrize("trained", WITHOUT_CRITIC, indirect=True)
def test_values_are_hidden_in_the_token_view(trained: tuple[str, Path]) -> None:
    page = (trained[1] / "report.html").read_text()
    assert '"advantage":' in page
    scales = json.loads(page.partition('"scales":')[2].partition(',"steps"')[0].partition(', "steps"')[0])
    assert scales.keys() == {"advantage", "kl", "ratio"}


@pytest.mark.parametrize("name", LABELS)
def test_the_file_sets_what_the_label_says(name: str) -> None:
    config = check(compose(f"method={name}"))
    credit = CREDITS[config.ppo.credit]
    assert credit.needs_critic == (name in WITH_CRITIC)
    assert config.ppo.whiten == credit.needs_critic
    assert config.ppo.samples_per_problem > 1 or not credit.needs_group
    assert check(compose(f"method={name}", "debug=quick")).ppo.samples_per_problem == config.ppo.samples_per_problem


@pytest.mark.parametrize("trained", KILLED, indirect=True)
def test_a_run_that_is_killed_again_and_again_ends_the_same(
    repo: Path, trained: tuple[str, Path], tmp_path: Path
) -> None:
    name, directory = trained
    killed, dice = Run(repo, tmp_path / "killed", f"method={name}", *SMALL, forked=True), random.Random()
    for step in (dice.randrange(1, WARMUP), dice.randrange(WARMUP + 1, WARMUP + 4)):
        session = killed.start()
        session.until(lambda step=step: killed.step >= step)
        session.kill()
    session = killed.finish()
    assert LABELS[name] in session.output
    assert_same(directory, killed.path)


@pytest.mark.parametrize("trained", [name for name in LABELS if name not in KILLED], indirect=True)
def test_a_run_that_goes_back_to_an_earlier_state_ends_the_same(trained: tuple[str, Path], tmp_path: Path) -> None:
    name, directory = trained
    copy = Path(shutil.copytree(directory, tmp_path / "run"))
    shutil.rmtree(copy / "checkpoints" / "last")
    assert Checkpoints.facts(copy / "checkpoints" / f"step-{WARMUP + 2}")["counters"]["step"] == 2
    resume(check(compose(*words(name))), copy, display=Silence())
    assert_same(directory, copy)
