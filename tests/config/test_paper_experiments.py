"""experiment=paper/... is the published setting, number by number."""

from dataclasses import replace

import pytest

from reft_lab.compose.conf import Conf, compose, register_schema
from reft_lab.config.check import check
from reft_lab.data.released import FILES, names_of

LARGE = {"codellama": "codellama/CodeLlama-7b-hf", "galactica": "facebook/galactica-6.7b"}
SMALL = {
    "galactica_125m": "facebook/galactica-125m",
    "codegen_350m": "Salesforce/codegen-350M-mono",
    "codeparrot_small": "codeparrot/codeparrot-small",
}
# (data, cot): (warm-up epochs, beta) of the 7B models
LARGE_SETTINGS = {
    ("gsm8k", "program"): (2, 0.01),
    ("gsm8k", "natural"): (2, 0.05),
    ("svamp", "program"): (2, 0.01),
    ("svamp", "natural"): (2, 0.05),
    ("mathqa", "program"): (2, 0.01),
    ("mathqa", "natural"): (5, 0.05),
    ("mathqa_numeric", "program"): (2, 0.01),
    ("mathqa_numeric", "natural"): (10, 0.01),
}
SMALL_WARMUP = {"gsm8k": 10, "svamp": 10, "mathqa": 40}
HUB = {
    "gsm8k": ("openai/gsm8k", "main"),
    "svamp": ("ChilleD/SVAMP", None),
    "mathqa": ("regisss/math_qa", None),
    "mathqa_numeric": ("regisss/math_qa", None),
}

TABLE = [
    (data, cot, model, epochs, beta, False) for model in LARGE for (data, cot), (epochs, beta) in LARGE_SETTINGS.items()
] + [(data, "program", model, epochs, 0.01, True) for model in SMALL for data, epochs in SMALL_WARMUP.items()]


def test_the_table_is_all_there_is() -> None:
    register_schema()
    assert sorted(Conf().choices("experiment")) == sorted(
        f"paper/{data}_{cot}_{model}" for data, cot, model, *_ in TABLE
    )


@pytest.mark.parametrize(("data", "cot", "model", "epochs", "beta", "small"), TABLE)
def test_setting(data: str, cot: str, model: str, epochs: int, beta: float, small: bool) -> None:
    config = check(compose(f"experiment=paper/{data}_{cot}_{model}"))

    assert (config.data.name, config.cot.name, config.model.name) == (data, cot, model)
    assert config.data.source == "paper"
    assert set(names_of(config.data.name, config.cot.name).values()) <= FILES.keys()
    assert config.model.path == {**LARGE, **SMALL}[model]
    assert config.reward.function == "partial"
    assert (config.method, config.baseline) == ("reft", None)

    for stage in (config.warmup, config.sft):
        assert stage.lr == (2e-5 if small else 1e-5)
        assert (stage.batch_size, stage.max_tokens, stage.weight_decay, stage.max_grad_norm) == (48, 1024, 0, 1)
        assert (stage.schedule, stage.lr_warmup_fraction) == ("linear", 0.1)
    assert config.warmup.epochs == epochs
    assert config.sft.epochs == (100 if small and data == "mathqa" else 40)

    ppo = config.ppo
    assert ppo.lr == (3e-6 if small else 3e-7)
    assert ppo.data_epochs == (700 if small else 300)
    assert ppo.iterations is None
    assert ppo.rollouts == ppo.mini_batch == (256 if small else 32)
    assert (ppo.epochs, ppo.clip, ppo.value_clip, ppo.value_coef) == (2, 0.2, 0.2, 5)
    assert (ppo.gamma, ppo.lam, ppo.kl_coef, ppo.kl_estimator) == (1, 0.95, beta, "k1")
    assert (ppo.max_prompt_tokens, ppo.max_prompt_tokens + ppo.max_new_tokens) == (300, 700)
    assert (ppo.lr_warmup_steps, ppo.weight_decay, ppo.max_grad_norm) == (0, 0, 1)
    assert ppo.whiten
    assert ppo.value_grad_to_trunk
    assert ppo.loss_average == "sequence"


@pytest.mark.parametrize(
    ("model", "data", "cot"),
    [
        ("codellama", "svamp", "program"),
        ("galactica", "mathqa", "natural"),
        ("galactica", "mathqa_numeric", "natural"),
        ("codegen_350m", "mathqa", "program"),
    ],
)
def test_the_three_choices_alone_are_the_same_experiment_on_other_files(model: str, data: str, cot: str) -> None:
    from_hub = check(compose(f"model={model}", f"data={data}", f"cot={cot}"))
    assert (from_hub.data.source, from_hub.data.hub, from_hub.data.hub_config) == ("hub", *HUB[data])
    published = check(compose(f"experiment=paper/{data}_{cot}_{model}"))
    assert replace(from_hub, data=replace(from_hub.data, source="paper")) == published


def test_method_sft_is_the_papers_baseline() -> None:
    config = check(compose("experiment=paper/gsm8k_natural_codellama", "method=sft"))
    assert (config.method, config.sft.epochs, config.sft.lr) == ("sft", 40, 1e-5)
