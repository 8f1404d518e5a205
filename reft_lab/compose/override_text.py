"""Values as one writes them on the right-hand side of an override."""

from __future__ import annotations

import re
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString

# What Hydra reads as text without quotes. Words such as null, true and 1e5 are not among it.
PLAIN_TEXT = re.compile(r"(?!(?:null|true|false|nan|inf)$)[A-Za-z_][\w./-]*", re.IGNORECASE | re.ASCII)


def as_text(value: Any) -> str:
    """A value as Hydra parses it back from the right-hand side of an override."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return value if PLAIN_TEXT.fullmatch(value) else QuotedString(value, Quote.single).with_quotes()
    if isinstance(value, list):
        return f"[{','.join(map(as_text, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{as_text(key)}:{as_text(entry)}' for key, entry in value.items())}}}"
    return str(value)
