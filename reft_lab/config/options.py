"""The schema as a flat table with one record per option, for messages and for the reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo

from reft_lab.config.schema import Config
from reft_lab.config.sweeps import SweepsConfig
from reft_lab.fields import OneOf

KINDS = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    list[str]: "a list of texts",
    list[int]: "a list of whole numbers",
    list[Any]: "a list of lists of texts",
    list[dict[str, Any]]: "a list of mappings",
    dict[str, Any]: "a mapping",
}

LIMITS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}  # by pydantic's names


@dataclass(frozen=True)
class Option:
    """One option of an experiment.

    Attributes:
        key: its dotted name, as on the command line (`ppo.lam`).
        kind: its type in words.
        nullable: whether it may be null.
        default: its value where no file in conf/ sets it.
        meaning: what it does.
        unit: its unit; empty for a plain number.
        choices: the words that it may be; empty for other kinds.
        limits: its numeric limits, by pydantic's names (ge, gt, le, lt).
    """

    key: str
    kind: str
    nullable: bool
    default: Any
    meaning: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)

    @property
    def allowed(self) -> str:
        """The values that it takes, in words: `a number from 0 to 1`."""
        words = ", ".join(self.choices) or f"{self.kind} {self.range}".rstrip()
        return f"{words}, or null" if self.nullable else words

    @property
    def range(self) -> str:
        """Its numeric limits in words; empty where there are none."""
        low, high = self.limits.get("ge"), self.limits.get("le")
        if low is not None and high is not None:
            return f"from {low:g} to {high:g}"
        return " and ".join(f"{LIMITS[name]} {limit:g}" for name, limit in self.limits.items())


def options() -> Mapping[str, Option]:
    """Every option by its dotted name, in the order of the schema."""
    return _read_schema(Config)[0]


def sections() -> Mapping[str, str]:
    """Every section (`ppo`, `model.scratch`) with its meaning, in the order of the schema."""
    return _read_schema(Config)[1]


def study_options() -> Mapping[str, Option]:
    """Every option of a study by its dotted name (`sweeps.trials`)."""
    return _read_schema(SweepsConfig, "sweeps.")[0]


def study_sections() -> Mapping[str, str]:
    """The sections of a study with their meaning."""
    return {"sweeps": "a study of many runs, with -m sweeps=NAME", **_read_schema(SweepsConfig, "sweeps.")[1]}


def every_option() -> Mapping[str, Option]:
    """The options of an experiment and those of a study."""
    return {**options(), **study_options()}


@cache
def _read_schema(schema: type, prefix: str = "") -> tuple[Mapping[str, Option], Mapping[str, str]]:
    found: dict[str, Option] = {}
    parts: dict[str, str] = {}
    _collect(schema, schema(), prefix, found, parts)
    return MappingProxyType(found), MappingProxyType(parts)


def _collect(schema: type, defaults: Any, prefix: str, found: dict[str, Option], parts: dict[str, str]) -> None:
    hints = get_type_hints(schema, include_extras=True)
    for member in fields(schema):
        key, default = prefix + member.name, getattr(defaults, member.name)
        kind, info, choices = _read(key, hints[member.name])
        if is_dataclass(default):
            parts[key] = str(info.description)
            _collect(type(default), default, f"{key}.", found, parts)
            continue
        nullable = get_origin(kind) is Union
        if nullable:
            kind = next(part for part in get_args(kind) if part is not type(None))
        found[key] = Option(
            key=key,
            kind=KINDS[kind],
            nullable=nullable,
            default=default,
            meaning=str(info.description),
            unit=str(info.json_schema_extra.get("unit", "")) if isinstance(info.json_schema_extra, dict) else "",
            choices=choices,
            limits={name: getattr(limit, name) for limit in info.metadata for name in LIMITS if hasattr(limit, name)},
        )


def _read(key: str, annotation: Any) -> tuple[Any, FieldInfo, tuple[str, ...]]:
    """The type, the doc() and the choices of one field."""
    if get_origin(annotation) is not Annotated:
        raise TypeError(f"the option {key} has no doc()")
    kind, *extras = get_args(annotation)
    info = next((extra for extra in extras if isinstance(extra, FieldInfo)), None)
    if info is None or not info.description:
        raise TypeError(f"the option {key} has no doc()")
    choices = next((extra.choices for extra in extras if isinstance(extra, OneOf)), ())
    return kind, info, choices
