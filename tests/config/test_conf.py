"""Everything in conf/ composes to an experiment that makes sense."""

import itertools
import re

import pytest

from reft_lab.compose.conf import FOLDER, Conf, compose, register_schema
from reft_lab.config.check import check
from reft_lab.config.schema import Config


def choices(group: str) -> list[str]:
    register_schema()
    return Conf().choices(group)


# What a choice is nothing without.
NEEDED = {"method=evaluate": ["model.path=some/model"], "decode=rerank": ["decode.reranker=some/run"]}


def experiment(*overrides: str) -> Config:
    return check(compose(*overrides, *(word for choice in overrides for word in NEEDED.get(choice, []))))


# Each experiment is composed in test_paper_experiments.py.
GROUPS = sorted(folder.name for folder in FOLDER.iterdir() if folder.is_dir() and folder.name != "experiment")
SINGLE = [f"{group}={name}" for group in GROUPS for name in choices(group)]


@pytest.mark.parametrize("choice", SINGLE)
def test_every_choice_composes(choice: str) -> None:
    assert experiment(choice).name


@pytest.mark.parametrize("choice", [name for name in SINGLE if name.startswith(("model=", "data=", "cot=", "method="))])
def test_debug_quick_is_small_whatever_is_run(choice: str) -> None:
    config = experiment("debug=quick", choice)
    assert config.warmup.epochs == config.sft.epochs == 1
    assert config.ppo.iterations * config.ppo.rollouts <= 64
    assert config.ppo.max_new_tokens <= 32
    assert config.data.train_size <= 64
    assert config.eval.dev_limit <= 32
    assert config.eval.test_limit <= 32
    assert config.ppo.critic_warmup <= 2
    assert config.tracker.wandb == "offline"


def test_debug_quick_leaves_the_tracker_and_the_critic_to_the_command_line() -> None:
    assert experiment("debug=quick", "tracker=none").tracker.wandb == "disabled"
    assert experiment("tracker=none", "debug=quick", "tracker.wandb=online").tracker.wandb == "online"
    assert experiment("debug=quick", "method=vapo").ppo.critic_warmup > 0
    assert experiment("debug=quick", "method=vapo", "ppo.critic_warmup=7").ppo.critic_warmup == 7
    assert experiment("method=vapo").ppo.critic_warmup == 50


def test_ways_to_decode_are_taken_together() -> None:
    assert experiment().decode.ways == []
    assert experiment("decode=greedy").decode.ways == []
    assert experiment("decode=pass", "decode.k=7").decode.ways == ["pass"]
    several = experiment("decode=[rerank,greedy,vote]", "decode.reranker=some/run")
    assert several.decode.ways == ["vote", "rerank"]
    assert several.decode.k == 100


def test_default_run() -> None:
    config = experiment()
    assert (config.model.name, config.data.name, config.cot.name) == ("tiny", "arithmetic", "program")
    assert (config.reward.function, config.method, config.baseline) == ("partial", "reft", "sft")
    assert config.model.path is None
    assert config.ppo.max_new_tokens == 60
    assert config.ppo.value_grad_to_trunk is False
    assert config.name == "tiny-arithmetic-program-reft"


@pytest.mark.parametrize(
    "overrides",
    [
        ["baseline=null"],
        ["method=sft"],
        ["data=svamp"],
        ["model=codellama"],
        ["cot=natural"],
        ["experiment=paper/gsm8k_program_galactica"],
    ],
)
def test_baseline_is_off_elsewhere(overrides: list[str]) -> None:
    assert experiment(*overrides).baseline is None


def test_baseline_can_be_asked_for() -> None:
    assert experiment("data=gsm8k", "baseline=sft").baseline == "sft"


def test_kl_coefficient_goes_with_the_reasoning() -> None:
    assert experiment("data=svamp", "cot=natural").ppo.kl_coef == 0.05
    assert experiment("data=svamp", "cot=program").ppo.kl_coef == 0.01
    assert experiment("cot=natural", "ppo.kl_coef=0.2").ppo.kl_coef == 0.2


def test_a_model_path_replaces_the_source_of_any_model() -> None:
    for model in choices("model"):
        assert experiment(f"model={model}", "model.path=some/where").model.path == "some/where"


def test_presets_differ_in_every_disagreement() -> None:
    text, code = experiment("preset=paper_text"), experiment("preset=released_code")
    assert (text.ppo.lam, text.ppo.gamma) == (1.0, 0.95)
    assert (code.ppo.lam, code.ppo.gamma) == (0.95, 1.0)
    assert (text.ppo.whiten, code.ppo.whiten) == (False, True)
    assert (text.ppo.loss_average, code.ppo.loss_average) == ("token", "sequence")
    assert (text.selection, code.selection) == ("dev", "test")
    assert (text.warmup.schedule_epochs, code.warmup.schedule_epochs) == (None, 40)
    assert text.cot.sft_trigger == text.cot.rl_trigger
    assert (code.cot.sft_trigger, code.cot.rl_trigger, code.cot.cut_at_blank_line) == (False, True, True)
    assert code.answers.paper_tolerance
    assert (text.answers.statement, code.answers.statement) == ("first", "last")


def test_every_choice_shows_its_command_line() -> None:
    for file in FOLDER.rglob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        name = file.relative_to(FOLDER).with_suffix("").as_posix()
        group, _, choice = name.partition("/")
        if group not in ("config", "recipe"):
            assert "python run.py" in text, file
            assert re.search(rf"{group}={re.escape(choice)}\b|{group}\.\w+=|reward=my_module", text), file


@pytest.mark.parametrize("data", ["arithmetic", "gsm8k", "svamp", "mathqa", "mathqa_numeric"])
def test_numbers_become_slots_where_the_tiny_model_writes_programs(data: str) -> None:
    assert experiment("cot=program", f"data={data}").cot.number_slots
    assert not experiment("cot=natural", f"data={data}").cot.number_slots
    assert not experiment("cot=program", f"data={data}", "model=galactica_125m").cot.number_slots
    assert not experiment("cot=program", f"data={data}", "cot.number_slots=false").cot.number_slots


def test_recipes_are_taken_by_themselves() -> None:
    """A recipe is MODEL_DATA_COT, MODEL_COT or debug/DEBUG_METHOD; a misspelled one would never be taken."""
    groups = (("model", "data", "cot"), ("model", "cot"))
    combinations = {"_".join(each) for names in groups for each in itertools.product(*map(choices, names))}
    combinations |= {f"debug/{debug}_{method}" for debug in choices("debug") for method in choices("method")}
    assert set(choices("recipe")) - {"paper_small"} <= combinations
