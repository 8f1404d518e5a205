"""Words for people: what somebody probably meant, an error on one line, options by their dotted names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that looks most like `word`; None where none is near."""
    known = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(word.lower(), known, n=1)
    return known[near[0]] if near else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """`; did you mean X?` for the choice nearest to `word`, or an empty string where none is near."""
    meant = nearest(word, choices)
    return f"; did you mean {meant}?" if meant else ""


def did_you_mean_option(key: str, keys: Iterable[str]) -> str:
    """As `did_you_mean`, for dotted option names: `lr` also finds `ppo.lr`, `sft.lr` and `warmup.lr`.

    Args:
        key: what was typed.
        keys: every name there is.
    """
    names = list(keys)
    parent, _, leaf = key.rpartition(".")
    beside = {name.rpartition(".")[2]: name for name in names if parent and name.rpartition(".")[0] == parent}
    if near := difflib.get_close_matches(leaf, beside, n=1, cutoff=0.85):
        return f"; did you mean {beside[near[0]]}?"
    same_leaf = [name for name in names if name.rpartition(".")[2] == key.rpartition(".")[2]]
    if same_leaf:
        near = same_leaf if "." not in key else difflib.get_close_matches(key, same_leaf, n=1, cutoff=0)
        return f"; did you mean {in_words(near)}?"
    if "." in key:
        return did_you_mean(key, (name for name in names if "." in name))
    if guess := did_you_mean(key, (name for name in names if "." not in name)):
        return guess
    leaves = {name.rpartition(".")[2]: name for name in names}
    near = difflib.get_close_matches(key, leaves, n=1)
    return f"; did you mean {leaves[near[0]]}?" if near else ""


def in_words(names: Iterable[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def counted(number: int, word: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def one_line(error: object) -> str:
    """The message of an error on one line of at most 160 characters; its class where there is no message."""
    return " ".join(str(error).split())[:160] or type(error).__name__


def leaves(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The options of a nested config by their dotted names, with their values."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config by dotted names. Lists become text, so that every value can be compared, grouped and exported."""
    return {
        key: ", ".join(map(str, value)) if isinstance(value, list | tuple) else value for key, value in leaves(config)
    }


def from_here(path: Path) -> Path:
    """A path as one would type it: relative if it is in the current folder, otherwise absolute."""
    here, absolute = Path.cwd(), path.absolute()
    return absolute.relative_to(here) if absolute.is_relative_to(here) else absolute


def not_there(key: str, path: object) -> str:
    """A file or folder that does not exist."""
    return f"{key}={path} does not exist (seen from {Path.cwd()})."
