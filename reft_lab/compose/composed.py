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
class CommandLine:
    """What was typed, read and checked word by word.

    Attributes:
        flags: the flags, None or False where they were not given.
        conf: where its choices are found.
        overrides: the other words.
    """

    flags: Namespace
    conf: Conf
    overrides: list[Override]

    @property
    def is_multirun(self) -> bool:
        """Whether it asks for many runs: by -m, or in Hydra's own words."""
        modes = [str(word.value()) for word in self.overrides if word.key_or_group == "hydra.mode"]
        return bool(self.flags.multirun) or modes[-1:] == ["MULTIRUN"]

    @property
    def task_overrides(self) -> list[Override]:
        """Those that are not about Hydra itself."""
        return [override for override in self.overrides if not override.is_hydra_override()]


@dataclass(frozen=True)
class Composed:
    """What a command line stands for.

    Attributes:
        typed: the command line.
        node: the composed config: the experiment, the study in `sweeps` (or null), and Hydra's node.
    """

    typed: CommandLine
    node: DictConfig

    @property
    def has_study(self) -> bool:
        """Whether it names a study."""
        return OmegaConf.select(self.node, "sweeps") is not None

    def choice(self, group: str) -> str:
        """The file that is taken of a group, such as `basic` of hydra/launcher."""
        return str(self.node.hydra.runtime.choices.get(group))


def read(words: Sequence[str]) -> CommandLine:
    """A command line, of which nothing is composed yet.

    Raises:
        BadInput: a word in it cannot be.
    """
    flags = parse_flags(words)
    conf = Conf(flags.config_dir, flags.config_name, flags.config_path)
    return CommandLine(flags, conf, overrides_of(flags.overrides, conf, multirun=flags.multirun))


def composed(typed: CommandLine) -> Composed:
    """What a command line comes to.

    Raises:
        BadInput: it cannot be composed.
    """
    mode = RunMode.MULTIRUN if typed.is_multirun else RunMode.RUN
    return Composed(typed, typed.conf.compose(as_words(typed.overrides), mode))
