"""From the composed config to a Config that is known to be consistent."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import pydantic
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from reft_lab.config.explain import explain
from reft_lab.config.running import BATCHES, FSDP, parse_every
from reft_lab.config.schema import Config
from reft_lab.config.wording import shown, unknown_option, wrong_folder_name, wrong_value
from reft_lab.errors import BadInput
from reft_lab.methods import METHODS
from reft_lab.methods.settings import SFTConfig
from reft_lab.methods.stages import eight_bit
from reft_lab.policy.adapter_files import need_peft

T = TypeVar("T")


def check(cfg: DictConfig) -> Config:
    """The typed experiment, every option within its limits and in agreement with the others.

    Nodes of Hydra and of a study in the composed `cfg` are ignored.

    Raises:
        BadInput: naming the option, the value and what is allowed.
    """
    try:
        own = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key not in ("hydra", "sweeps")])
        plain = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise BadInput(explain(error)) from error
    config = typed(Config, plain)
    _check_together(config)
    return config


def typed(schema: type[T], plain: Any, section: str = "") -> T:
    """A section of a config as its dataclass, every option within its limits.

    Args:
        schema: the dataclass.
        plain: the section's content, without interpolations.
        section: its dotted name; empty for a whole experiment.

    Raises:
        BadInput: naming the option, the value and what is allowed.
    """
    try:
        checked: T = _validator(schema).validate_python(plain)  # type: ignore[arg-type]
        return checked
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        # An entry of a list is told by its option.
        key = ".".join(filter(None, [section, *(part for part in first["loc"] if isinstance(part, str))]))
        unknown = first["type"] in ("extra_forbidden", "unexpected_keyword_argument")
        raise BadInput(unknown_option(key) if unknown else wrong_value(key, first["input"])) from error


@cache
def _validator(schema: Any) -> pydantic.TypeAdapter[Any]:
    return pydantic.TypeAdapter(schema)


def _check_together(config: Config) -> None:
    """What no option can know alone."""
    if wrong := wrong_folder_name("name", config.name):
        raise BadInput(wrong)
    if config.resume is not None:
        raise BadInput(f"resume={config.resume} works on the command line only, and for a single run.")
    parse_every(config.checkpoint.every)
    if config.trainer.strategy == FSDP:
        _check_fsdp(config)
    config.model.check()
    config.data.check()
    for module in config.programs.imports:
        if not module.isidentifier():
            raise BadInput(
                f"programs.imports={shown(config.programs.imports)} is not possible: {module!r} is not a module's "
                "name; give names such as [math, sympy]."
            )
    if config.model.lora.rank is not None:
        need_peft(f"model.lora.rank={config.model.lora.rank}")
    if config.trainer.optimizer == eight_bit.NAME:
        eight_bit.need_bitsandbytes()
    config.cot.check()
    if config.cot.prompt == "chat" and config.model.path is None and METHODS[config.method].trains:
        raise BadInput(
            f"cot.prompt=chat goes with a model that came with a chat template, and model={config.model.name} is made "
            "from scratch; give one as model.path=PATH_OR_HUB_ID, or leave out cot.prompt=chat."
        )
    config.decode.check("decode")
    if config.decode.ways and METHODS[config.method].answers:
        raise BadInput(
            f"method={config.method} makes a model that writes nothing itself, so there are no samples of it to decode "
            "from; leave out decode=, and name the run as decode.reranker=RUN_DIR with the policy's."
        )
    if config.fork is not None and not METHODS[config.method].trains:
        raise BadInput(
            f"method={config.method} trains nothing, and fork={config.fork} is to train on; name the run as "
            "model.path=RUN_DIR to evaluate its policy."
        )
    if not METHODS[config.method].trains:
        _check_given(config)
    elif config.model.path is None:
        _check_scratch(config)
    if config.overfit is not None:
        _check_overfit(config)
    if config.baseline == config.method:
        others = " or ".join(name for name, each in METHODS.items() if name != config.method and each.trains)
        raise BadInput(
            f"baseline={config.baseline} goes with method={others}; method={config.method} is that baseline itself, "
            "leave it out."
        )
    if (config.audit.critic or config.audit.critic_every) and not METHODS[config.method].has_critic(config):
        option = "audit.critic=true" if config.audit.critic else f"audit.critic_every={config.audit.critic_every}"
        why = f"ppo.credit={config.ppo.credit}" if config.method == "reft" else f"method={config.method}"
        raise BadInput(f"{option} asks whether the critic is any good, and {why} has none; leave it out.")
    for name in (config.method, config.baseline):
        for stage in METHODS[name].stages if name else ():
            getattr(config, stage.section).check(stage.section)
            if stage.prompts == "rl":
                config.ppo.check("ppo")  # which has the length caps


def _check_fsdp(config: Config) -> None:
    """What does not go with weights in parts."""
    why = {
        "trainer.park_reference=true": config.trainer.park_reference,
        f"trainer.deal={config.trainer.deal}": config.trainer.deal == BATCHES,
    }
    if other := next((words for words, is_so in why.items() if is_so), None):
        raise BadInput(f"{other} does not go with trainer.strategy={FSDP}; leave out the one or the other.")


def _check_overfit(config: Config) -> None:
    """A policy is to write right answers."""
    method = METHODS[config.method]
    if not method.trains or method.answers:
        why = "makes a model that writes nothing itself" if method.trains else "trains nothing"
        raise BadInput(
            f"overfit={config.overfit} is to teach a policy, and method={config.method} {why}; leave it out."
        )
    if config.baseline is not None:
        raise BadInput(
            f"overfit={config.overfit} goes without a baseline, which would learn the same problems; leave out "
            f"baseline={config.baseline}."
        )


def _check_given(config: Config) -> None:
    """What is evaluated is given, and nothing is trained beside it."""
    if config.model.path is None:
        raise BadInput(
            f"method={config.method} needs a policy to evaluate; name a run directory, a folder or a hub id: "
            "model.path=RUN_DIR_OR_CHECKPOINT."
        )
    if config.baseline is not None:
        raise BadInput(f"method={config.method} trains nothing, so leave out baseline={config.baseline}.")


def _check_scratch(config: Config) -> None:
    scratch = config.model.scratch
    width, odd = divmod(scratch.hidden_size, scratch.heads)
    if odd or width % 2:
        possible = [n for n in range(1, scratch.hidden_size + 1) if scratch.hidden_size % (2 * n) == 0]
        raise BadInput(
            f"model.scratch.heads={scratch.heads} is not possible: it must divide "
            f"model.scratch.hidden_size={scratch.hidden_size} into even parts"
            + (f" ({', '.join(map(str, possible))} do)." if possible else ", and nothing does; take an even size.")
        )
    for kind in METHODS[config.method].stages:
        name, stage = kind.section, getattr(config, kind.section)
        if not isinstance(stage, SFTConfig):
            continue
        if stage.max_tokens > scratch.max_positions:
            raise BadInput(
                f"{name}.max_tokens={stage.max_tokens} is more than model.scratch.max_positions="
                f"{scratch.max_positions}; lower the one or raise the other."
            )
        if stage.epochs == 0:
            raise BadInput(
                f"{name}.epochs=0 needs a trained model to start from, and model={config.model.name} is made from "
                "scratch; give one as model.path=PATH_OR_HUB_ID."
            )
    response = max(config.ppo.max_new_tokens, config.eval.max_new_tokens or 0)
    is_bounded = config.ppo.total_tokens is not None and config.eval.sft_total_tokens is not None
    if not is_bounded and config.ppo.max_prompt_tokens + response > scratch.max_positions:
        raise BadInput(
            f"ppo.max_prompt_tokens={config.ppo.max_prompt_tokens} and {response} new tokens are more than "
            f"model.scratch.max_positions={scratch.max_positions}; lower them or raise it."
        )
