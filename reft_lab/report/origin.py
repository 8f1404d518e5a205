"""The passport of a run, to be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMES = {"diff_hash": "hash of uncommitted changes", "gpus": "GPUs"}


def origin(passport: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Groups of (name, value): the run itself, then each object of its passport."""
    groups: list[tuple[str, list[tuple[str, str]]]] = [("run", [])]
    for key, value in passport.items():
        if isinstance(value, Mapping):
            groups.append((_name(key), [(_name(name), _text(each)) for name, each in value.items()]))
        elif key == "resumed" and isinstance(value, list):
            groups += [
                (f"resumed, time {number}", [(_name(name), _text(each)) for name, each in entry.items()])
                for number, entry in enumerate(value, start=1)
                if isinstance(entry, Mapping)
            ]
        else:
            groups[0][1].append((_name(key), _text(value)))
    return [(title, entries) for title, entries in groups if entries]


def _name(key: Any) -> str:
    return NAMES.get(str(key), str(key).replace("_", " "))


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(each)}" for name, each in value.items()) or "none"
    return str(value)
