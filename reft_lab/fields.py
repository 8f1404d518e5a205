"""How a config field is declared: its type, its default and its documentation in one place.

    lam: Annotated[float, doc("GAE lambda", ge=0, le=1)] = 0.95
    loss_average: Annotated[str, doc("..."), OneOf("sequence", "token")] = "sequence"

The same dataclass serves OmegaConf (which reads the type), pydantic (which checks the range) and the configuration
reference in docs/ (which prints the description).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pydantic
from pydantic_core import core_schema

STRICT = pydantic.ConfigDict(extra="forbid", allow_inf_nan=False)


def doc(description: str, *, unit: str | None = None, **limits: Any) -> Any:
    """Meaning, unit and limits (ge, gt, le, lt, min_length, pattern) of a config field."""
    extra: dict[str, Any] = {"unit": unit} if unit else {}
    return pydantic.Field(description=description, json_schema_extra=extra, **limits)


@dataclass(frozen=True, init=False)
class OneOf:
    """The value is one of these words (or null, where the field is optional)."""

    choices: tuple[str, ...]

    def __init__(self, *choices: str):
        object.__setattr__(self, "choices", choices)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        words: core_schema.CoreSchema = core_schema.literal_schema(list(self.choices))
        return core_schema.nullable_schema(words) if type(None) in getattr(source, "__args__", ()) else words
