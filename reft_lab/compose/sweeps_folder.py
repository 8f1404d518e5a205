"""The folder sweeps/ beside conf/, as one more group of choices: `sweeps=NAME`."""

from __future__ import annotations

from pathlib import Path

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
from hydra.plugins.search_path_plugin import SearchPathPlugin

GROUP = "sweeps"
# Groups within it; a sub-folder of another group holds more choices of that group.
PARTS = (f"{GROUP}/sampler", f"{GROUP}/pruner")
REPO = Path(__file__).resolve().parents[2]
PROVIDER = "reft_lab"


class SweepsSource(FileConfigSource):
    """The repository's top folder, of which nothing but sweeps/ is seen: the others hold no choices."""

    @staticmethod
    def scheme() -> str:
        """What a search path begins with that leads here."""
        return "sweeps"

    def is_group(self, config_path: str) -> bool:
        """Whether it is a folder that is seen."""
        return self._is_seen(config_path) and super().is_group(config_path)

    def is_config(self, config_path: str) -> bool:
        """Whether it is a file that is seen."""
        return self._is_seen(config_path) and super().is_config(config_path)

    @staticmethod
    def _is_seen(path: str) -> bool:
        return path.strip("/") in ("", GROUP) or path.startswith(f"{GROUP}/")


class SweepsSearchPath(SearchPathPlugin):
    """Adds sweeps/ to where Hydra looks for choices."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Put it behind conf/, once."""
        if all(element.provider != PROVIDER for element in search_path.get_path()):
            search_path.append(PROVIDER, f"{SweepsSource.scheme()}://{REPO}", anchor=SearchPathQuery("main"))
