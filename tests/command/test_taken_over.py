"""An evaluation of a run's policy asks as the run did, unless it is told otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reft_lab.command.launch import check_command
from reft_lab.config.schema import Config
from reft_lab.runner.given import given_of
from tests.command.begun import begun
from tests.command.said import complaint

RUN = (
    *("model=codellama", "data=svamp", "data.path=svamp", "cot=program", "preset=released_code"),
    *("cot.number_slots=true", "ppo.max_new_tokens=99", "programs.imports=[math]", "data.test_size=70"),
)


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run directory with a policy, in a folder with its data."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "svamp").mkdir()
    directory = begun("run", *RUN, status="finished")
    best = directory / "checkpoints" / "best"
    best.mkdir(parents=True)
    (best / "evaluation.json").write_text(json.dumps({"when": "iteration 40", "prompts": "sft", "stage": "reft"}))
    return directory


def evaluation(*words: str) -> Config:
    return check_command(["method=evaluate", "model.path=run", *words]).config


def test_how_it_is_asked_and_what_comes_from_the_run(trained: Path, tmp_path: Path) -> None:
    config = evaluation()
    assert config.model.path == "run/checkpoints/best"
    assert (config.model.name, config.data.name, config.method) == ("codellama", "svamp", "evaluate")
    assert config.name == "codellama-svamp-program-evaluate"
    assert config.data.path == str(tmp_path / "svamp")
    assert config.data.test_size == 70
    assert (config.cot.number_slots, config.cot.sft_trigger, config.answers.statement) == (True, False, "last")
    assert config.ppo.max_new_tokens == 99
    assert config.programs.imports == ["math"]
    assert config.trainer.threads is None
    # What the policy was trained by is of no concern any more.
    assert config.selection == "dev"
    assert config.reward.function == "partial"


def test_what_is_said_on_the_command_line_stands(trained: Path) -> None:
    config = evaluation("data=gsm8k", "answers.statement=first", "ppo.max_new_tokens=50", "eval.test_limit=3")
    assert (config.data.name, config.data.hub, config.data.path) == ("gsm8k", "openai/gsm8k", None)
    assert config.data.test_size is None
    assert config.answers.statement == "first"
    assert config.answers.paper_tolerance
    assert config.ppo.max_new_tokens == 50
    assert config.eval.test_limit == 3
    assert evaluation("cot=natural").cot == Config(cot=evaluation("cot=natural").cot).cot
    assert not evaluation("cot=natural").cot.number_slots


def test_every_run_of_a_multirun_takes_over(trained: Path) -> None:
    work = check_command(["-m", "method=evaluate", "model.path=run", "seed=0,1"])
    jobs: Any = work
    found = [jobs._jobs.load_sweep_config(work.composed.node, list(words)) for words in jobs._jobs._known]
    assert [job.ppo.max_new_tokens for job in found] == [99, 99]
    assert [job.model.path for job in found] == ["run/checkpoints/best"] * 2
    assert [job.seed for job in found] == [0, 1]


def test_a_disagreement_is_one_sentence(trained: Path) -> None:
    assert given_of(evaluation()).notes == []
    given = given_of(evaluation("answers.statement=first", "cot.number_slots=false", "eval.prompts=rl"))
    (said,) = given.notes
    assert said.endswith(
        "cot.number_slots was true and is false; answers.statement was last and is first; its prompts were those of "
        "sft and are those of rl."
    )
    assert (given.prompts, given.when) == ("rl", "iteration 40")
    assert given_of(evaluation()).prompts == "sft"


def test_a_checkpoint_elsewhere_is_taken_as_it_is(trained: Path, tmp_path: Path) -> None:
    (trained / "checkpoints" / "best").rename(tmp_path / "copy")
    config = check_command(["method=evaluate", "model.path=copy"]).config
    assert (config.model.path, config.data.name) == ("copy", "arithmetic")
    assert given_of(config).result == {
        **{"path": "copy", "run": None, "name": None, "method": None, "seed": None},
        **{"chosen": "iteration 40", "prompts": "sft"},
    }


def test_a_run_without_a_policy_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    begun("run")
    assert "model.path=run is a run without a policy" in complaint("method=evaluate", "model.path=run")
    (tmp_path / "run" / "checkpoints" / "best").mkdir(parents=True)
    (tmp_path / "run" / "config.yaml").write_text("[")
    assert "config.yaml cannot be read" in complaint("method=evaluate", "model.path=run")


def test_training_takes_nothing_over(trained: Path) -> None:
    config = check_command(["method=sft", "model.path=run"]).config
    assert (config.model.path, config.data.name) == ("run", "arithmetic")


@pytest.fixture
def forked(trained: Path, tmp_path: Path) -> Path:
    """The same run with a full state at step 24."""
    state = tmp_path / "run" / "checkpoints" / "last"
    state.mkdir()
    facts = {"tracker_step": 24, "stage": "reft", "counters": {"step": 14}, "pending": None}
    (state / "state.json").write_text(json.dumps(facts))
    return tmp_path / "run"


def test_a_fork_is_its_run_but_for_what_is_told(forked: Path) -> None:
    config = check_command(["fork=run", "ppo.kl_coef=0.5", "reward=exact"]).config
    assert config.fork == f"{forked}@24"
    assert (config.name, config.baseline) == ("codellama-svamp-program-reft-fork", None)
    assert (config.model.name, config.data.name, config.data.test_size) == ("codellama", "svamp", 70)
    assert (config.ppo.kl_coef, config.reward.function) == (0.5, "exact")
    assert (config.ppo.max_new_tokens, config.answers.statement) == (99, "last")
    assert check_command(["fork=run@24", "name=mine", "baseline=sft"]).config.baseline == "sft"


def test_every_run_of_a_multirun_forks(forked: Path) -> None:
    jobs: Any = check_command(["-m", "fork=run@24", "ppo.kl_coef=0.1,0.2"])
    found = [jobs._jobs.load_sweep_config(jobs.composed.node, list(words)) for words in jobs._jobs._known]
    assert [(job.fork, job.ppo.kl_coef, job.data.name) for job in found] == [
        *((f"{forked}@24", kl, "svamp") for kl in (0.1, 0.2)),
    ]
    assert "keeps nothing called 25; did you mean 24?" in complaint("-m", "fork=run@25", "ppo.kl_coef=0.1,0.2")
    study: Any = check_command(["-m", "sweeps=optuna", "fork=run@24", "ppo.kl_coef=interval(0.1,0.2)"])
    assert "fork=run@24" in study.definition.fixed
    assert "(the weights are those of the run)" in complaint(
        "-m", "sweeps=optuna", "fork=run", "model=choice(tiny,codellama)"
    )
