"""Where Hydra looks for choices: conf/, the folder sweeps/ beside it, and the folder of --config-dir."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin

from reft_lab.installed import HOME

FOLDER = HOME / "conf"
GROUP = "sweeps"
# Groups within it; a sub-folder of another group holds more choices of that group.
PARTS = (f"{GROUP}/sampler", f"{GROUP}/pruner")
VERSION = "1.3"  # of the behaviour that Hydra is asked for


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
        search_path.append("reft_lab", f"{SweepsSource.scheme()}://{HOME}", anchor=SearchPathQuery("main"))
        if self.config_dir is not None:
            search_path.append("command-line", f"file://{self.config_dir}")


class SweepsSource(ConfigSource):
    """The folder that sweeps/ is in, of which only that is seen: the other folders hold no choices."""

    def __init__(self, provider: str, path: str):
        super().__init__(provider, path)
        sources = Plugins.instance().discover(ConfigSource)
        (files,) = (source for source in sources if source.scheme() == "file")  # type: ignore[attr-defined]
        self._files: ConfigSource = files(provider, f"file://{self.path}")  # type: ignore[call-arg, assignment]

    @staticmethod
    def scheme() -> str:
        return "sweeps"

    def load_config(self, config_path: str) -> ConfigResult:
        return self._files.load_config(config_path)

    def is_group(self, config_path: str) -> bool:
        return _is_seen(config_path) and self._files.is_group(config_path)

    def is_config(self, config_path: str) -> bool:
        return _is_seen(config_path) and self._files.is_config(config_path)

    def available(self) -> bool:
        return self._files.available()

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        names = self._files.list(config_path, results_filter)
        return [name for name in names if _is_seen(f"{config_path}/{name}".strip("/"))]


def _is_seen(path: str) -> bool:
    return path.strip("/") in ("", GROUP) or path.startswith(f"{GROUP}/")
