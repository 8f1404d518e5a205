"""Several values on a command line: what is right though Hydra cannot read it, and what to write where it is not."""

from __future__ import annotations

import re

from reft_lab.config.options import options
from reft_lab.text import did_you_mean

FUNCTION = re.compile(r"\s*([A-Za-z_]\w*)\s*\((.*)\)\s*", re.DOTALL)
# What each takes, as one writes it.
FUNCTIONS = {
    "choice": "choice(a, b)",
    "interval": "interval(0.9, 1)",
    "range": "range(1, 5)",
    "tag": "tag(log, interval(1e-4, 1))",
    "glob": "glob(*)",
    "sort": "sort(3, 1, 2)",
    "shuffle": "shuffle(a, b)",
}
CASTS = ("int", "float", "str", "bool", "json_str", "extend_list")
# What other libraries call them.
ELSEWHERE = {
    "uniform": "interval",
    "float_range": "interval",
    "int_range": "range",
    "randint": "range",
    "linspace": "interval",
    "log": "tag",
    "loguniform": "tag",
    "log_uniform": "tag",
    "categorical": "choice",
    "options": "choice",
    "one_of": "choice",
    "grid": "choice",
    "values": "choice",
}
CLOSING = {"(": ")", "[": "]", "{": "}"}


def choice_with_null_as_list(word: str) -> str:
    """`x=choice(a, null)` as `x=a,null`: Hydra's choice() takes no null, while the same values without it may have one.

    Any other word comes back as it is.
    """
    key, equals, value = word.partition("=")
    found = FUNCTION.fullmatch(value)
    if not equals or found is None or found[1] != "choice":
        return word
    parts = arguments(found[2])
    return f"{key}={','.join(parts)}" if any(part.lower() == "null" for part in parts) else word


def arguments(text: str) -> list[str]:
    """What stands between the commas of `text`, those in brackets and quotes left alone."""
    parts, open_, quote = [""], 0, ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in CLOSING:
            open_ += 1
        elif sign in CLOSING.values():
            open_ -= 1
        if sign == "," and not open_ and not quote:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def unreadable(key: str, value: str) -> str | None:
    """What to write in place of a value that Hydra cannot read; None where that is not known."""
    for opening, closing in CLOSING.items():
        if value.count(opening) != value.count(closing):
            return f"{opening} and {closing} do not match; close what is open, and put all of it in quotes: '{key}=...'"
    found = FUNCTION.fullmatch(value)
    if found is None:
        inner = value.strip()
        is_tuple = inner.startswith("(") and inner.endswith(")")
        return f"several values are written '{key}=choice{inner}', with -m" if is_tuple else None
    name = found[1]
    if name in FUNCTIONS:
        return f"{name} is written as in '{key}={FUNCTIONS[name]}'"
    if name in CASTS:
        return None
    meant = ELSEWHERE.get(name.lower())
    if meant is not None:
        return f"there is no {name}(); write '{key}={FUNCTIONS[meant]}'"
    return f"there is no {name}()" + (did_you_mean(name, FUNCTIONS) or f"; there is {', '.join(FUNCTIONS.values())}")


def without_multirun(key: str, line: str) -> str:
    """The sentence on several values without -m."""
    value = line.partition("=")[2]
    if "interval(" in value:
        return f"{line} is a range, which asks for several runs; add -m sweeps=optuna for that, or give one value."
    option = options().get(key)
    one = f"give one value to {key}."
    if option is not None and option.kind.startswith("a list"):
        one = f"write one list in brackets: '{key}=[{value}]'."
    elif option is not None and option.kind == "text" and not FUNCTION.fullmatch(value):
        one = f"quote it if it is one value: '{key}=\"{value}\"'."
    return f"{line} asks for several runs; add -m for that, or {one}"
