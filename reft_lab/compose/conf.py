"""The folder conf/ as Hydra sees it: its groups, their choices, and what they compose to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from reft_lab.compose.search_path import FOLDER, PARTS, SearchPath, SweepsSource, config_loader
from reft_lab.compose.taken_over import take_over
from reft_lab.config.explain import explain
from reft_lab.config.schema import BaseConfig
from reft_lab.config.sweeps import StudySweeperConfig
from reft_lab.errors import BadInput
from reft_lab.installed import HOME, IS_WHEEL
from reft_lab.text import leaves


@cache
def register_schema() -> None:
    """Tell Hydra of `base_config`, the first entry of conf/config.yaml, of the sweeper `study`, and of sweeps/."""
    store = ConfigStore.instance()
    store.store(name="base_config", node=BaseConfig, provider="reft_lab")
    store.store(group="hydra/sweeper", name="study", node=StudySweeperConfig, provider="reft_lab")
    for plugin in (SweepsSource, SearchPath):
        Plugins.instance().register(plugin)


def compose(*overrides: str) -> DictConfig:
    """The experiment that `python run.py OVERRIDES` runs, for tests and notebooks; `check` makes a Config of it.

    Raises:
        BadInput: it cannot be composed.
    """
    return experiment_of(Conf().compose(overrides))


def experiment_of(composed: DictConfig) -> DictConfig:
    """The experiment alone, without Hydra's node and that of a study."""
    return OmegaConf.masked_copy(composed, [str(key) for key in composed if key not in ("hydra", "sweeps")])


@contextmanager
def composing() -> Iterator[None]:
    """Inside, what Hydra and OmegaConf complain about becomes BadInput, in one sentence."""
    try:
        yield
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
        raise BadInput(explain(error)) from error


class Conf:
    """conf/ and sweeps/, and the folder of --config-dir where one is given.

    Attributes:
        loader: Hydra's, which composes.
        config_name: the file that composing begins with.
    """

    def __init__(self, config_dir: str | None = None, config_name: str | None = None, config_path: str | None = None):
        """Args:
        config_dir: a folder with more choices.
        config_name: the file to begin with; None: config.yaml.
        config_path: a folder in place of conf/, as seen from run.py, or where there is none from here.
        """
        register_schema()
        self.config_name = config_name or "config"
        seen_from = Path.cwd() if IS_WHEEL else HOME
        main = FOLDER if config_path is None else _folder("--config-path", config_path, seen_from)
        more = None if config_dir is None else _folder("--config-dir", config_dir, Path.cwd())
        self.loader = config_loader(main, more)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The groups, such as `model`; Hydra's own are left out."""
        return (*(group for group in self.loader.list_groups("") if group != "hydra"), *PARTS)

    def choices(self, group: str, searchpath: Sequence[str] = ()) -> list[str]:
        """The choices of a group, those in sub-folders as FOLDER/NAME; `searchpath`: overrides that add to where."""
        main = self.config_name if searchpath or self._main_adds_folders else None
        found = self.loader.get_group_options(group, ObjectType.CONFIG, main, list(searchpath))
        for folder in self.loader.get_group_options(group, ObjectType.GROUP, main, list(searchpath)):
            if f"{group}/{folder}" not in PARTS:  # which are groups
                found += [f"{folder}/{name}" for name in self.choices(f"{group}/{folder}", searchpath)]
        return found

    @cached_property
    def _main_adds_folders(self) -> bool:
        """Whether the main file has a hydra.searchpath. Hydra would read the file anew for every group."""
        main = self._file("", self.config_name)
        return main is not None and OmegaConf.select(main.config, "hydra.searchpath") is not None

    def options_set_by(self, group: str, choice: str) -> set[str]:
        """Dotted names of the options that the file of a choice sets."""
        return set(self.values_set_by(group, choice))

    def values_set_by(self, group: str, choice: str) -> dict[str, Any]:
        """The options that the file of a choice sets, by dotted names, with their values."""
        found = self._file(group, choice)
        if found is None or not isinstance(found.config, DictConfig):
            return {}
        package = self.package(group, choice)
        content: Any = OmegaConf.to_container(found.config)
        return dict(leaves(content, "" if package == "_global_" else f"{package}."))

    def package(self, group: str, choice: str) -> str:
        """Where the content of the file of a choice goes: `ppo`, or `_global_`."""
        found = self._file(group, choice)
        return (found.header.get("package") if found else None) or group.replace("/", ".")

    def _file(self, group: str, choice: str) -> ConfigResult | None:
        """The first file of this name on the search path."""
        path = f"{group}/{choice}".strip("/")
        sources = self.loader.get_sources()
        return next((source.load_config(path) for source in sources if source.is_config(path)), None)

    def compose(self, overrides: Sequence[str], mode: RunMode = RunMode.RUN) -> DictConfig:
        """The composed config, Hydra's node included.

        Raises:
            BadInput: it cannot be composed.
        """
        with composing():
            node = self.loader.load_configuration(self.config_name, [*overrides, f"hydra.mode={mode.name}"], mode)
            self.take_over(node, overrides)
        return node

    def take_over(self, node: DictConfig, overrides: Sequence[str]) -> None:
        """Fill in what an experiment that evaluates a run's policy takes over from the run; `overrides` come first."""
        parsed = OverridesParser.create(config_loader=self.loader).parse_overrides(list(overrides))
        take_over(node, parsed, self.groups, self.options_set_by)


def _folder(flag: str, given: str, seen_from: Path) -> Path:
    if not (seen_from / given).is_dir():
        raise BadInput(f"{flag} {given} is not a folder (seen from {seen_from}).")
    return (seen_from / given).absolute()
