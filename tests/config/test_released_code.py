"""preset=released_code is what the authors' scripts say, number by number."""

from __future__ import annotations

import pytest

from reft_lab.compose.conf import Conf, compose, register_schema
from reft_lab.config.check import check
from reft_lab.errors import BadInput

PRESET = "preset=released_code"


def names() -> list[str]:
    register_schema()
    return sorted(Conf().choices("experiment"))


@pytest.mark.parametrize("name", names())
def test_every_experiment_with_the_preset(name: str) -> None:
    config = check(compose(f"experiment={name}", PRESET))
    is_small = config.model.name in ("galactica_125m", "codegen_350m", "codeparrot_small")
    is_long = is_small and config.data.name == "mathqa"

    assert config.selection == "test"
    assert (config.data.source, config.data.dev_size) == ("paper", 1)
    assert not config.cot.begin_of_sequence
    assert config.cot.too_long == "cut"
    assert (config.cot.sft_trigger, config.cot.rl_trigger, config.cot.cut_at_blank_line) == (False, True, True)
    programs = config.programs
    assert (programs.imports, programs.timeout, programs.fallback) == (["math", "sympy"], 10, "jail")
    assert config.reward.function == "released"

    # exps/paper_exps/SFT: 40 epochs, 8 processes with 3 problems each, 2 steps accumulated; small: 8 with 6.
    assert config.sft.epochs == (100 if is_long else 40)
    for stage in (config.warmup, config.sft):
        assert (stage.loss_average, stage.loss_group, stage.batch_size) == ("group", 6 if is_small else 3, 48)
        assert (stage.max_tokens, stage.schedule, stage.lr_warmup_fraction) == (1024, "linear", 0.1)
    assert config.warmup.schedule_epochs == config.sft.epochs
    if is_small:
        assert config.warmup.epochs == (40 if is_long else 10)

    # exps/paper_exps/ReFT
    ppo = config.ppo
    assert (ppo.max_prompt_tokens, ppo.total_tokens, ppo.max_new_tokens) == (300, 700, 700)
    assert (ppo.eval_every_epochs, ppo.value_init, ppo.loss_average) == (1, "random", "sequence")
    assert (ppo.gamma, ppo.lam, ppo.epochs, ppo.value_coef, ppo.clip, ppo.value_clip) == (1, 0.95, 2, 5, 0.2, 0.2)
    assert (ppo.lr_warmup_steps, ppo.weight_decay, ppo.max_grad_norm, ppo.whiten) == (0, 0, 1, True)
    assert (config.eval.max_new_tokens, config.eval.sft_total_tokens) == (1024, 1024)


@pytest.mark.parametrize("words", [(), ("model=tiny",), ("debug=quick",), ("method=sft",), ("cot=natural",)])
def test_it_goes_with_other_choices(words: tuple[str, ...]) -> None:
    config = check(compose(PRESET, *words))
    if "debug=quick" in words:
        assert config.data.dev_size == 32
        assert max(config.ppo.max_new_tokens, config.eval.max_new_tokens or 0) == 32


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("ppo.total_tokens=300",), "ppo.total_tokens=300 leaves no room for an answer"),
        (("programs.imports=[math,a b]",), "programs.imports=[math, a b] is not possible: 'a b' is not a module"),
        (("cot.too_long=trim",), "cot.too_long=trim is not possible: it must be leave_out, cut"),
        (("data.source=hup",), "data.source=hup is not possible: it must be hub, paper; did you mean hub?"),
        (("data.source=paper",), "data.source=paper does not go with data=arithmetic"),
        (("preset=released_code", "sft.epochs=1"), "warmup.schedule_epochs=1 is less than warmup.epochs=20"),
    ],
)
def test_what_contradicts_itself_is_one_sentence(words: tuple[str, ...], says: str) -> None:
    with pytest.raises(BadInput) as refused:
        check(compose(*words))
    assert says in str(refused.value)


def test_a_reward_that_is_asked_for_goes_before_the_preset_s() -> None:
    name = "experiment=paper/mathqa_program_codellama"
    assert check(compose(name, PRESET, "reward=exact")).reward.function == "exact"
    assert check(compose(name, "reward=proximity")).reward.function == "proximity"
