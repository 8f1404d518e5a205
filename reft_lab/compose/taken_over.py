"""What a fork of a run, and an evaluation of its policy, take over from that run where the user says nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from reft_lab.config.options import options
from reft_lab.methods import METHODS
from reft_lab.run_dir.forked import OWN, is_in, origin_of
from reft_lab.run_dir.given import given_run
from reft_lab.text import leaves

# How the policy is asked and its answers are read, and by default what; sections, and options by themselves.
SECTIONS = ("cot", "answers", "programs", "data")
OPTIONS = (
    *("model.name", "model.pad_token", "model.eos_token"),
    *("eval.max_new_tokens", "eval.sft_total_tokens", "eval.dev_limit", "eval.test_limit"),
    *("ppo.max_prompt_tokens", "ppo.max_new_tokens", "ppo.total_tokens", "warmup.max_tokens"),
    *("trainer.precision", "trainer.decode_batch", "trainer.threads"),
)
FORK = "-fork"  # what the name of a fork ends with, beside that of its run
TAKEN = (*(key for key in options() if key.partition(".")[0] in SECTIONS), *OPTIONS)


def take_over(
    node: DictConfig,
    overrides: Sequence[Override],
    groups: Iterable[str],
    set_by: Callable[[str, str], set[str]],
) -> None:
    """Fill in what `overrides` leave open of an experiment that forks from a run, or evaluates a run's policy; others
    stay as they are.

    Args:
        node: the composed experiment, changed in place. Its `fork` becomes absolute, its model.path the checkpoint.
        overrides: the command line.
        groups: the groups of choices.
        set_by: the options that the file of a choice sets, from the group and the choice.

    Raises:
        BadInput: the run has no such policy or state yet, or its config cannot be read.
    """
    fork = OmegaConf.select(node, "fork")
    if fork is not None:
        _fork(node, str(fork), _told(node, overrides, set(groups), set_by))
        return
    method = METHODS.get(str(OmegaConf.select(node, "method")))
    path = OmegaConf.select(node, "model.path")
    if method is None or method.trains or path is None:
        return
    run = given_run(str(path))
    if run is None:
        return
    told = _told(node, overrides, set(groups), set_by)
    for key in TAKEN:
        if key in run.options and key not in told:
            OmegaConf.update(node, key, run.options[key])
    OmegaConf.update(node, "model.path", str(run.policy))


def _fork(node: DictConfig, fork: str, told: set[str]) -> None:
    """Let an experiment be the one that it forks from, but for what was told."""
    origin = origin_of(fork)
    for key, value in origin.options.items():
        if key not in told and not is_in(key, OWN):
            OmegaConf.update(node, key, value, merge=False)
    if "baseline" not in told:
        node.baseline = None
    if "name" not in told:
        node.name = f"{str(origin.options['name']).removesuffix(FORK)}{FORK}"
    node.fork = str(origin)


def _told(
    node: DictConfig, overrides: Sequence[Override], groups: set[str], set_by: Callable[[str, str], set[str]]
) -> set[str]:
    """The options that the user has a say in: by name, or by a choice whose file sets them. A data set or a way of
    reasoning is chosen as a whole."""
    told: set[str] = set()
    for override in overrides:
        key, value = override.key_or_group, override.value()
        if isinstance(value, dict):
            told |= {f"{key}.{name}" for name, _ in leaves(value)}
        elif key not in groups:
            told.add(key)
        else:
            for choice in value if isinstance(value, list) else [value]:
                told |= set_by(key, str(choice))
            told |= {option for option in options() if option.startswith(f"{key}.") and key in SECTIONS}
    return told
