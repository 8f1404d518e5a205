"""The folder conf/ as Hydra sees it: its groups, their choices, and what they compose to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import IConfigRepository
from hydra._internal.sources_registry import SourcesRegistry
from hydra._internal.utils import create_config_search_path
from hydra.core.config_store import ConfigStore
from hydra.core.object_type import ObjectType
from hydra.core.utils import setup_globals
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from reft_lab.compose.sweeps_folder import GROUP, PARTS, SweepsSearchPath, SweepsSource
from reft_lab.config.explain import explain
from reft_lab.config.schema import Composed
from reft_lab.config.sweeps import StudySweeperConfig
from reft_lab.errors import BadInput

FOLDER = Path(__file__).resolve().parents[2] / "conf"


@cache
def register_schema() -> None:
    """Make the schema known to Hydra as `base_config`, the first entry of conf/config.yaml, and the sweeper `study`."""
    store = ConfigStore.instance()
    store.store(name="base_config", node=Composed, provider="reft_lab")
    store.store(group="hydra/sweeper", name="study", node=StudySweeperConfig, provider="reft_lab")


def compose(*overrides: str) -> DictConfig:
    """The experiment that `python run.py OVERRIDES` runs, for tests and notebooks; `check` makes a Config of it.

    Raises:
        BadInput: it cannot be composed.
    """
    register_schema()
    composed = Conf().compose(overrides)
    return experiment_of(composed)


def experiment_of(composed: DictConfig) -> DictConfig:
    """The experiment alone, without Hydra's node and that of a study."""
    return OmegaConf.masked_copy(composed, [str(key) for key in composed if key not in ("hydra", "sweeps")])


class Conf:
    """conf/ and sweeps/, and the folder of --config-dir where one is given.

    It goes through Hydra's own loader and leaves Hydra's global state alone, so that hydra.main can follow.
    """

    def __init__(self, config_dir: str | None = None, config_name: str = "config"):
        setup_globals()
        search_path = create_config_search_path(str(FOLDER))
        # Hydra finds plugins beside run.py; a notebook elsewhere is to see the same.
        SourcesRegistry.instance().register(SweepsSource)
        SweepsSearchPath().manipulate_search_path(search_path)
        if config_dir is not None:
            if not Path(config_dir).is_dir():
                raise BadInput(f"--config-dir {config_dir} is not a folder (seen from {Path.cwd()}).")
            search_path.prepend(provider="command-line", path=f"file://{Path(config_dir).absolute()}")
        self.loader = ConfigLoaderImpl(config_search_path=search_path)
        self.config_name = config_name
        self._repositories: dict[tuple[str, ...], IConfigRepository] = {}

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The groups, such as `model`; Hydra's own are left out."""
        return (*(group for group in self.loader.list_groups("") if group != "hydra"), *PARTS)

    def choices(self, group: str, searchpath: Sequence[str] = ()) -> list[str]:
        """The choices of a group, those in sub-folders as FOLDER/NAME.

        Args:
            group: `model`, `experiment`, ...
            searchpath: overrides that add to the search path.
        """
        there = self._repository(tuple(searchpath))
        found = there.get_group_options(group, ObjectType.CONFIG)
        for folder in there.get_group_options(group, ObjectType.GROUP):
            if group == GROUP:
                continue
            found += [f"{folder}/{name}" for name in self.choices(f"{group}/{folder}", searchpath)]
        return found

    def add_choice(self, group: str, name: str, content: dict[str, Any]) -> None:
        """Make `name` a choice of a group, as if there were a file for it."""
        ConfigStore.instance().store(group=group, name=name, node=content, provider="reft_lab")
        self._repositories.clear()  # they are copies

    def _repository(self, searchpath: tuple[str, ...]) -> IConfigRepository:
        """Where choices are looked up. Hydra's own way there reads the main config anew for each group."""
        if searchpath not in self._repositories:
            _, made = self.loader._parse_overrides_and_create_caching_repo(self.config_name, list(searchpath))
            self._repositories[searchpath] = made
        return self._repositories[searchpath]

    def said_by(self, group: str, choice: str) -> set[str]:
        """Dotted names of the options that the file of a choice sets."""
        found = self.loader.repository.load_config(f"{group}/{choice}")
        if found is None or not isinstance(found.config, DictConfig):
            return set()
        package = self.package(group, choice)
        return set(_leaves(OmegaConf.to_container(found.config), "" if package == "_global_" else package))

    def package(self, group: str, choice: str) -> str:
        """Where the content of the file of a choice goes: `ppo`, or `_global_`."""
        found = self.loader.repository.load_config(f"{group}/{choice}")
        return (found.header.get("package") if found else None) or group.replace("/", ".")

    def compose(self, overrides: Sequence[str], mode: RunMode = RunMode.RUN) -> DictConfig:
        """The composed config, Hydra's node included.

        Raises:
            BadInput: it cannot be composed.
        """
        try:
            composed = self.loader.load_configuration(self.config_name, list(overrides), mode)
        except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
            raise BadInput(explain(error)) from error
        composed.hydra.mode = mode  # hydra.main does so too
        return composed


def _leaves(content: Any, name: str) -> Iterator[str]:
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _leaves(value, f"{name}.{key}" if name else str(key))
    else:
        yield name
