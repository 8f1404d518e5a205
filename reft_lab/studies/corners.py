"""Whether the runs at the corners of a space can be: before trial 0, and not after a night."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from math import prod
from typing import Any

from omegaconf import DictConfig, OmegaConf

from reft_lab.compose.conf import Conf, experiment_of
from reft_lab.compose.words import parse, register_rewards
from reft_lab.errors import BadInput, Missing
from reft_lab.studies.definition import Definition

MOST = 64  # runs of a grid that are looked at, all of them


def check_corners(definition: Definition, conf: Conf, check: Callable[[DictConfig], object]) -> None:
    """Compose runs all over the space (its first settings, each end of each range, each choice) and `check` them.

    They are checked on each seed where the experiment refers to it, as to files of that seed.

    Raises:
        BadInput: one of them cannot be; it says which.
    """
    searchpath = [flag for flag in definition.flags if not flag.startswith("--")]

    def check_run(*words: str) -> None:
        register_rewards(parse(words, conf), conf)
        node = conf.compose([*searchpath, *words])
        for seed in definition.seeds or (node.seed,):
            node.seed = seed
            try:
                check(node)
            except Missing as error:
                if definition.needs is None:
                    raise
                raise Missing(error.what, f"make it first: {_resolved(definition.needs, node)}") from error
            if "${seed}" not in OmegaConf.to_yaml(experiment_of(node)):
                break

    if not any(
        key in conf.groups for parameter in definition.space for key in parameter.keys
    ):  # else it takes a file of the space
        check_run(*definition.fixed)
    corners = [
        tuple(word for parameter in definition.space for word in parameter.overrides(setting[parameter.key]))
        for setting in _settings(definition)
    ]
    for words in dict.fromkeys(corners):
        try:
            check_run(*definition.fixed, *words)
        except Missing:  # of every run alike
            raise
        except BadInput as error:
            raise BadInput(f"the space reaches {' '.join(words)}, which cannot be: {error}") from error


def _resolved(text: str, node: DictConfig) -> str:
    """A text that refers to options of a run."""
    own: Any = OmegaConf.to_container(experiment_of(node))
    return str(OmegaConf.create(own | {"sweeps": text}).sweeps)


def _settings(definition: Definition) -> Iterator[dict[str, Any]]:
    ends = {each.key: each.grid() if each.kind == "choice" else (each.low, each.high) for each in definition.space}
    base = {key: values[0] for key, values in ends.items()}
    for first in definition.first:
        yield base | first
    if prod(len(values) for values in ends.values()) <= MOST and definition.sampler.name == "grid":
        yield from (dict(zip(ends, point, strict=True)) for point in product(*ends.values()))
        return
    yield base
    for key, values in ends.items():
        for value in values[1:]:
            yield base | {key: value}
    yield {key: values[-1] for key, values in ends.items()}
