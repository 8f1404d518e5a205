"""Reads the search space of a study: Hydra's sweep syntax on the command line, and that or YAML mappings in a file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep

from reft_lab.compose.conf import Conf
from reft_lab.compose.words import parse, plain
from reft_lab.config.options import options, sections
from reft_lab.config.wording import shown, unknown_choice, unknown_option, wrong_value
from reft_lab.errors import BadInput
from reft_lab.studies.parameter import Parameter, clean, stored, together
from reft_lab.text import counted, did_you_mean

KINDS = {"a whole number": "int", "a number": "float"}
FORMS = "interval(0.9, 1), tag(log, interval(1e-4, 1)), range(1, 5), choice(a, b)"
ENTRIES = ("low", "high", "log", "step", "choices", "range")
NOT_SEARCHED = ("resume", "preflight", "study")


def from_override(override: Override, conf: Conf) -> Parameter:
    """The parameter that an override with a sweep in it stands for.

    Raises:
        BadInput: it is empty, or does not suit the option.
    """
    key, said = override.key_or_group, str(override.input_line)
    _check_key(key, conf)
    sweep = override.value()
    if isinstance(sweep, IntervalSweep):
        return _interval(key, said, sweep.start, sweep.end, log=_is_log(sweep.tags, said))
    if isinstance(sweep, RangeSweep):
        return _range(key, said, sweep.start, sweep.stop, sweep.step, log=_is_log(sweep.tags, said))
    if isinstance(sweep, ChoiceSweep):
        if sweep.tags:
            raise BadInput(f"{said}: a tag means nothing for listed values; leave it out.")
        return _choice(key, said, [plain(value) for value in sweep.list], conf)
    if override.is_sweep_override():  # glob(*)
        return _choice(key, said, list(override.sweep_string_iterator()), conf)
    raise BadInput(f"{said} is a single value, not a range to search; write one, such as {FORMS}.")


def from_entry(key: str, entry: Any, conf: Conf) -> Parameter:
    """The parameter that an entry of `sweeps.params` stands for: Hydra's syntax as text, a list, or a mapping.

    Raises:
        BadInput: it cannot be read, is empty, or does not suit the option.
    """
    said = f"sweeps.params: {key}: {shown(entry)}"
    if isinstance(entry, list):
        entry = {"choices": entry}
    if not isinstance(entry, Mapping):
        return from_override(parse([f"{key}={shown(entry)}"], conf)[0], conf)
    _check_key(key, conf)
    for name in entry:
        if name not in ENTRIES:
            raise BadInput(f"{said}: {name} is not part of a range{did_you_mean(str(name), ENTRIES) or '.'}")
    log = entry.get("log", False)
    if not isinstance(log, bool):
        raise BadInput(f"{said}: log must be true or false.")
    names = set(entry) - {"log"}
    if names == {"choices"} and not log and isinstance(entry["choices"], list):
        return _choice(key, said, entry["choices"], conf)
    if names == {"range"} and isinstance(entry["range"], list) and len(entry["range"]) in (2, 3):
        start, stop, *step = entry["range"]
        return _range(key, said, start, stop, step[0] if step else 1, log=log)
    if {"low", "high"} <= names <= {"low", "high", "step"}:
        return _interval(key, said, entry["low"], entry["high"], entry.get("step"), log=log)
    raise BadInput(
        f"{said} is not a range; write {{low: 0.9, high: 1}} (with log: true or step: 0.05 if wanted), "
        "{range: [1, 5]} or {choices: [a, b]}."
    )


def check_values(values: Mapping[str, Any], space: Sequence[Parameter], said: str) -> dict[str, Any]:
    """One of the settings to begin with, as optuna expects it.

    Raises:
        BadInput: a value is outside its range, or its option is not searched.
    """
    known = {parameter.key: parameter for parameter in space}
    names = [key for parameter in space for key in parameter.keys]
    for key in values:
        if key not in names:
            raise BadInput(f"{said} has {key}, which is not in the space{did_you_mean(key, names) or '.'}")
    values = {**values}
    for parameter in space:
        if parameter.parts and (own := {key: values.pop(key) for key in parameter.keys if key in values}):
            values[parameter.key] = _step_with(parameter, own, said)
    for key, value in values.items():
        if not known[key].takes(value):
            raise BadInput(
                f"{said} has {key}={shown(value)}, which is outside {known[key]}; widen the range or change the value."
            )
    return {key: known[key].value(value) for key, value in values.items()}


def _step_with(parameter: Parameter, own: Mapping[str, Any], said: str) -> str:
    """The value of options that are walked together at which they have these values."""
    for place, words in enumerate(parameter.choices):
        if all(part.key in own and part.grid()[place] == own[part.key] for part in parameter.parts):
            return str(words)
    values = ", ".join(f"{key}={shown(value)}" for key, value in own.items())
    raise BadInput(
        f"{said} has {values}, and {parameter.key} are walked together, through {', '.join(parameter.choices)}; give "
        "the values of one step to all of them."
    )


def zipped(space: Mapping[str, Parameter], groups: Sequence[Any]) -> tuple[Parameter, ...]:
    """The dimensions of a space some options of which are walked together.

    Args:
        space: by option.
        groups: sweeps.zip.

    Raises:
        BadInput: a group is no list of two options or more, names one that is not searched or that another group has,
            or its options have not as many values each.
    """
    found: dict[str, tuple[Parameter, ...]] = {key: (parameter,) for key, parameter in space.items()}
    seen: set[str] = set()
    if not all(isinstance(group, list) and all(isinstance(key, str) for key in group) for group in groups):
        raise BadInput(wrong_value("sweeps.zip", groups))
    for group in groups:
        for number, key in enumerate(group):
            if key not in space:
                raise BadInput(f"sweeps.zip has {key}, which is not in the space{did_you_mean(key, space) or '.'}")
            if key in seen:
                raise BadInput(f"sweeps.zip has {key} twice; an option can be walked with one group only.")
            seen.add(key)
            if math.isinf(space[key].size):
                raise BadInput(
                    f"sweeps.zip has {key}={space[key]}, which has infinitely many values; list some, as in "
                    f"{key}=choice(a, b)."
                )
            if number:
                del found[key]
        if len(group) < 2:
            raise BadInput(f"sweeps.zip has [{', '.join(group)}]; it takes two options or more to walk together.")
        if len({space[key].size for key in group}) > 1:
            sizes = ", ".join(f"{key} has {counted(int(space[key].size), 'value')}" for key in group)
            raise BadInput(f"sweeps.zip walks them together, and {sizes}; list as many values for each.")
        found[group[0]] = tuple(space[key] for key in group)
    return tuple(parts[0] if len(parts) == 1 else together(parts) for parts in found.values())


def _check_key(key: str, conf: Conf) -> None:
    if key in sections() and key not in conf.groups:
        example = next(name for name in options() if name.startswith(f"{key}."))
        raise BadInput(f"{key} is a section and cannot be searched; search an option in it, such as {example}.")
    if key not in options() and key not in conf.groups:
        raise BadInput(unknown_option(key, conf.groups))
    if key.partition(".")[0] in NOT_SEARCHED or key.partition("/")[0] == "sweeps":
        raise BadInput(f"{key} cannot be searched: it is not part of the experiment.")


def _interval(key: str, said: str, low: Any, high: Any, step: Any = None, *, log: bool = False) -> Parameter:
    """All numbers from low to high, or those `step` apart."""
    for name, value in (("low", low), ("high", high), ("step", step)):
        if value is not None and not _is_number(value):
            raise BadInput(f"{said}: {name} must be a number, and is {shown(value)}.")
    if low is None or high is None:
        raise BadInput(f"{said}: a range needs both ends.")
    kind = _kind(key, said)
    if kind == "int":
        for value in (low, high, step):
            if value is not None and value != int(value):
                raise BadInput(f"{said}: {key} takes whole numbers, and {shown(value)} is not one.")
        low, high, step = int(low), int(high), None if step is None else int(step)
    else:
        low, high = float(low), float(high)
    if low > high:
        raise BadInput(f"{said} is empty: {shown(low)} is more than {shown(high)}; swap them.")
    if step is not None and step <= 0:
        raise BadInput(f"{said}: step must be more than 0.")
    if log and low <= 0:
        raise BadInput(f"{said}: a logarithmic range starts above 0, and {shown(low)} is not.")
    if log and step not in (None, 1 if kind == "int" else None):
        raise BadInput(f"{said}: a logarithmic range has no step; leave one of them out.")
    if log:
        step = None
    if step is not None:
        high = low + int((high - low) / step + 1e-9) * step  # the last value there is
        high = high if kind == "int" else clean(high)
    return Parameter(key, kind, low, high, log, step)


def _range(key: str, said: str, start: Any, stop: Any, step: Any, *, log: bool) -> Parameter:
    """As Python's range: without its end."""
    for value in (start, stop, step):
        if not _is_number(value):
            raise BadInput(f"{said}: a range takes numbers, and {shown(value)} is not one.")
    if step == 0:
        raise BadInput(f"{said}: step must not be 0.")
    count = math.ceil((stop - start) / step - 1e-9)
    if count <= 0:
        raise BadInput(
            f"{said} is empty: counting from {shown(start)} in steps of {shown(step)}, nothing comes before {stop}."
        )
    ends = sorted((start, start + (count - 1) * step))
    return _interval(key, said, ends[0], ends[1], abs(step), log=log)


def _choice(key: str, said: str, values: Sequence[Any], conf: Conf) -> Parameter:
    if not values:
        raise BadInput(f"{said} is empty; list at least one value.")
    if key in conf.groups:
        known = conf.choices(key)
        for value in values:
            own = key == "reward" and isinstance(value, str) and "." in value
            if value not in known and not own:
                raise BadInput(unknown_choice(key, value, known))
    elif _kind_of(key) == "float":
        values = [float(value) if _is_number(value) else value for value in values]
    seen: list[Any] = []
    for value in map(stored, values):
        if isinstance(value, float) and not math.isfinite(value):
            raise BadInput(f"{said}: {value} cannot be the value of an option.")
        if any(value == other for other in seen):
            raise BadInput(f"{said} lists {shown(value)} twice; list each value once.")
        seen.append(value)
    return Parameter(key, "choice", choices=tuple(values))


def _kind_of(key: str) -> str | None:
    return KINDS.get(options()[key].kind) if key in options() else None


def _kind(key: str, said: str) -> str:
    kind = _kind_of(key)
    if kind is None:
        takes = f"{key} takes {options()[key].allowed}" if key in options() else f"{key} is a choice of files"
        raise BadInput(f"{said}: {takes}, so it has no range; list the values: {key}=choice(a, b).")
    return kind


def _is_log(tags: set[str], said: str) -> bool:
    for tag in tags - {"log"}:
        raise BadInput(f"{said}: the only tag is log{did_you_mean(tag, ['log']) or '.'}")
    return bool(tags)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
