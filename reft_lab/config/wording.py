"""One sentence for each way in which an option can be wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from reft_lab.config.options import Option, every_option, options, sections, study_options, study_sections
from reft_lab.installed import command
from reft_lab.methods import RECORDS
from reft_lab.metrics import recorded
from reft_lab.numbers import exact
from reft_lab.text import did_you_mean, did_you_mean_option, nearest

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
RANGE = re.compile(rf"\s*({NUMBER})\s*(?:\.\.\.?|:|-|to|–)\s*({NUMBER})\s*")


def unknown_option(key: str, groups: Iterable[str] = ()) -> str:
    """The sentence on an option, section or group that does not exist."""
    parent = key.rpartition(".")[0]
    known = every_option()
    if parent in known:
        return f"{key} is not an option: {parent} is one value, {known[parent].allowed}."
    own = [*study_options(), *study_sections()] if key.startswith("sweeps.") else [*options(), *sections()]
    guess = did_you_mean_option(key, [*own, *groups])
    return f"{key} is not an option{guess or '; docs/configuration.md lists all of them.'}"


def wrong_value(key: str, value: Any) -> str:
    """The sentence on a value that its option does not take."""
    known = every_option()
    if key in known:
        option = known[key]
        hint = did_you_mean(str(value), option.choices) or _about_null(option, value)
        hint = hint or _about_range(option, value) or _about_list(option, value) or _about_whole(option, value)
        return f"{key}={shown(value)} is not possible: it must be {option.allowed}{hint or '.'}"
    if key in sections() or key in study_sections():
        example = next(name for name in known if name.startswith(f"{key}."))
        return (
            f"{key}={shown(value)} is not possible: {key} is a section, set an option in it, such as {example}=VALUE."
        )
    return f"{key}={shown(value)} is not possible."


def unknown_choice(group: str, value: Any, choices: Iterable[str]) -> str:
    """The sentence on a choice that its group does not have."""
    names = sorted(choices)
    has = f"there is {', '.join(names)}" if len(names) <= 12 else f"`{command()} --help` lists what there is"
    return f"{group}={shown(value)} is not a choice: {has}{did_you_mean(str(value), names) or '.'}"


def given_twice(key: str, first: str, second: str) -> str:
    """The same option in two words of a command line."""
    return f"{key} is given twice ({first} and {second}); give it once."


def which_study(word: str) -> str:
    """A word about a study where none is named."""
    return f"{word} is about a study; say which, as in -m sweeps=optuna."


def wrong_folder_name(key: str, value: str) -> str | None:
    """The sentence on a name that no folder should have; None where it will do."""
    if re.fullmatch(r"[\w.+=-]+", value):
        return None
    return f"{key}={value} is not possible: it names a folder, so it takes letters, digits and . _ + = - only."


def shown(value: Any) -> str:
    """A value as one types it in YAML: null, true, 0.95, 1e-5, words, [a, b], {a: 1}."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return exact(value)
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {shown(entry)}' for name, entry in value.items())}}}"
    return str(value)


def _about_range(option: Option, value: object) -> str:
    """A hint where several values or a range are given for a single value; empty otherwise."""
    if option.kind not in ("a number", "a whole number"):
        return ""
    if isinstance(value, list) and len(value) > 1:
        return f"; to try several values, write '{option.key}=choice({', '.join(map(str, value))})' with -m."
    found = RANGE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return ""
    interval = f"{option.key}=interval({found[1]}, {found[2]})"
    return f"; to search between two values, write '{interval}' with -m sweeps=optuna."


def _about_list(option: Option, value: object) -> str:
    """A hint where one value stands for a list; empty otherwise."""
    if option.kind.startswith("a list of lists"):
        inside = value if isinstance(value, list) else [value]
        is_flat = all(isinstance(each, str) for each in inside)
        return f"; did you mean '{option.key}=[[{','.join(map(str, inside))}]]'?" if is_flat else ""
    if not option.kind.startswith("a list of") or not isinstance(value, str | int):
        return ""
    meant = [part.strip() for part in str(value).split(",")]
    if "numbers" in option.kind and not all(part.lstrip("-").isdecimal() for part in meant):
        return ""
    if option.key == "sweeps.objective":
        metrics = ["accuracy", *recorded(RECORDS, switches=None)]
        meant = [nearest(name, metrics) or name for name in meant]
    return f"; did you mean '{option.key}=[{','.join(meant)}]'?"


def _about_whole(option: Option, value: object) -> str:
    """A hint where a whole number is written as another one is, as `1e3`; empty otherwise."""
    is_meant = option.kind == "a whole number" and isinstance(value, float) and value.is_integer()
    return f"; did you mean {value:.0f}?" if is_meant else ""


def _about_null(option: Option, value: object) -> str:
    """A hint where null is meant under the name that another language has for it."""
    is_meant = isinstance(value, str) and value.lower() in ("none", "nil", "~", "undefined", "na", "n/a")
    return "; did you mean null?" if is_meant and option.nullable else ""
