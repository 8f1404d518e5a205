"""Where Hydra looks for choices: conf/, the folder sweeps/ beside it, and the folder of --config-dir."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

REPO = Path(__file__).resolve().parents[2]
FOLDER = REPO / "conf"
GROUP = "sweeps"
# Groups within it; a sub-folder of another group holds more choices of that group.
PARTS = (f"{GROUP}/sampler", f"{GROUP}/pruner")
VERSION = "1.3"  # of the behaviour that Hydra is asked for
FROM_FLAG = "command-line"  # Hydra's name for the folder of --config-dir
PACKAGE = re.compile(r"\s*#\s*@package\s+(\S+)")


def config_loader(folder: Path = FOLDER, config_dir: Path | None = None) -> ConfigLoader:
    """Hydra's loader for the choices in `folder`, in sweeps/ and in `config_dir`."""
    outer = GlobalHydra.instance().hydra  # of a notebook that is a Hydra application itself
    GlobalHydra.instance().clear()
    SearchPath.config_dir = config_dir
    try:
        with initialize_config_dir(str(folder), job_name="run", version_base=VERSION):
            return GlobalHydra.instance().config_loader()
    finally:
        SearchPath.config_dir = None
        if outer is not None:
            GlobalHydra.instance().initialize(outer)


class SearchPath(SearchPathPlugin):
    """Adds sweeps/ and the folder of --config-dir to where Hydra looks.

    Attributes:
        config_dir: that folder, while a loader is made.
    """

    config_dir: ClassVar[Path | None] = None

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Put sweeps/ behind conf/, and the folder of --config-dir behind everything, as Hydra does."""
        search_path.append("reft_lab", f"{SweepsSource.scheme()}://{REPO}", anchor=SearchPathQuery("main"))
        if self.config_dir is not None:
            search_path.append(FROM_FLAG, f"file://{self.config_dir}")


class SweepsSource(ConfigSource):
    """The repository's top folder, of which only sweeps/ is seen: the other folders hold no choices."""

    @staticmethod
    def scheme() -> str:
        """What a search path begins with that leads here."""
        return "sweeps"

    def load_config(self, config_path: str) -> ConfigResult:
        """The content of a file, and the package that its first line names."""
        file = self._file(config_path)
        if not self.is_config(config_path):
            raise ConfigLoadError(f"there is no file {file}")
        package = PACKAGE.match(file.read_text(encoding="utf-8"))
        header = {"package": package[1] if package else None}
        return ConfigResult(self.provider, self.full_path(), OmegaConf.load(file), header)

    def is_group(self, config_path: str) -> bool:
        """Whether it is a folder that is seen."""
        return self._is_seen(config_path) and (Path(self.path) / config_path).is_dir()

    def is_config(self, config_path: str) -> bool:
        """Whether it is a file that is seen."""
        return self._is_seen(config_path) and self._file(config_path).is_file()

    def available(self) -> bool:
        """Whether the folder is there."""
        return self.is_group("")

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Names of the groups and choices in a group."""
        found = set()
        for entry in (Path(self.path) / config_path).iterdir():
            inside = f"{config_path}/{entry.name}".strip("/")
            if results_filter != ObjectType.CONFIG and self.is_group(inside):
                found.add(entry.name)
            if results_filter != ObjectType.GROUP and entry.suffix == ".yaml" and self.is_config(inside):
                found.add(entry.stem)
        return sorted(found)

    def _file(self, config_path: str) -> Path:
        return Path(self.path) / (config_path if config_path.endswith(".yaml") else f"{config_path}.yaml")

    @staticmethod
    def _is_seen(path: str) -> bool:
        return path.strip("/") in ("", GROUP) or path.startswith(f"{GROUP}/")
