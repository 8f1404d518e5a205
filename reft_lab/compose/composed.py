"""From a command line to one composed value, made once, that everybody is handed."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from reft_lab.compose.conf import Conf
from reft_lab.compose.words import as_words, overrides_of, parse_flags


@dataclass(frozen=True)
class Composed:
    """What a command line stands for.

    Attributes:
        flags: its flags, None or False where they were not given.
        overrides: its other words, checked one by one.
        conf: where its choices are found.
        node: what it composes to: the experiment, the study in `sweeps` (or null), and Hydra's node.
    """

    flags: Namespace
    overrides: list[Override]
    conf: Conf
    node: DictConfig

    @property
    def is_multirun(self) -> bool:
        """Whether it asks for many runs."""
        return bool(self.node.hydra.mode == RunMode.MULTIRUN)

    @property
    def has_study(self) -> bool:
        """Whether it names a study."""
        return OmegaConf.select(self.node, "sweeps") is not None

    def choice(self, group: str) -> str:
        """The file that is taken of a group, such as `basic` of hydra/launcher."""
        return str(self.node.hydra.runtime.choices.get(group))


def compose_command(words: Sequence[str]) -> Composed:
    """What a command line comes to.

    Raises:
        BadInput: a word in it cannot be, or they cannot be composed.
    """
    flags = parse_flags(words)
    conf = Conf(flags.config_dir, flags.config_name, flags.config_path)
    is_multirun = flags.multirun or "hydra.mode=MULTIRUN" in flags.overrides
    overrides = overrides_of(flags.overrides, conf, multirun=is_multirun)
    mode = RunMode.MULTIRUN if is_multirun else RunMode.RUN
    return Composed(flags, overrides, conf, conf.compose(as_words(overrides), mode))
