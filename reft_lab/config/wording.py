"""One sentence for each way an option can be wrong."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reft_lab.config.options import options, sections
from reft_lab.config.suggest import did_you_mean, did_you_mean_option


def unknown_option(key: str, groups: Iterable[str] = ()) -> str:
    """An option, section or group that does not exist."""
    parent = key.rpartition(".")[0]
    if parent in options():
        return f"{key} is not an option: {parent} is one value, {options()[parent].allowed}."
    guess = did_you_mean_option(key, [*options(), *sections(), *groups])
    return f"{key} is not an option{guess or '; docs/configuration.md lists all of them.'}"


def wrong_value(key: str, value: Any) -> str:
    """A value that its option does not take."""
    if key in options():
        option = options()[key]
        guess = did_you_mean(str(value), option.choices)
        return f"{key}={shown(value)} is not possible: it must be {option.allowed}{guess or '.'}"
    if key in sections():
        example = next(name for name in options() if name.startswith(f"{key}."))
        return (
            f"{key}={shown(value)} is not possible: {key} is a section, set an option in it, such as {example}=VALUE."
        )
    return f"{key}={shown(value)} is not possible."


def unknown_choice(group: str, value: Any, choices: Iterable[str]) -> str:
    """A choice that its group does not have."""
    names = sorted(choices)
    has = f"there is {', '.join(names)}" if len(names) <= 12 else "`python run.py --help` lists what there is"
    return f"{group}={shown(value)} is not a choice: {has}{did_you_mean(str(value), names) or '.'}"


def shown(value: Any) -> str:
    """A value as one types it in YAML: null, true, 0.95, words."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
