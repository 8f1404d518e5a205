"""The config of a run by section, with what is not as in the default experiment marked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reft_lab.analysis.found import Found
from reft_lab.config.wording import shown
from reft_lab.text import flatten


@dataclass(frozen=True)
class Setting:
    """One option.

    Attributes:
        key: its name within its section.
        value: its value, as one writes it on the command line.
        default: its value in `python run.py`, where that is another one; else None.
    """

    key: str
    value: str
    default: str | None


def settings(run: Found, directory: Path) -> list[tuple[str, list[Setting]]]:
    """Options by section, in the order of the config; empty where the config cannot be read."""
    if not run.config:
        return []
    usual = defaults()
    sections: dict[str, list[Setting]] = {"experiment": []}
    for name, value in run.config.items():
        section, _, key = name.rpartition(".")
        default = usual.get(name)
        same = name not in usual or default == value or name == "name"
        setting = Setting(key, shown(value), None if same else shown(default))
        sections.setdefault(section or "experiment", []).append(setting)
    return list(sections.items())


def defaults() -> dict[str, Any]:
    """The default experiment, flat."""
    from omegaconf import OmegaConf

    from reft_lab.compose.conf import compose

    plain = OmegaConf.to_container(compose(), resolve=True)
    assert isinstance(plain, dict)
    return flatten({str(key): value for key, value in plain.items()})
