"""The files of a run, read as far as they go: what is damaged is reported, never raised."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from reft_lab.run_dir.files import CONFIG, RESULT
from reft_lab.text import flatten, one_line

TAIL = 64 * 1024  # bytes at the end of metrics.jsonl that are sure to hold a whole line
SECTION = re.compile(r"^(?=\w+:)", re.MULTILINE)
FINISHED = re.compile(rb'\s*\{\s*"status":\s*"finished"')

Say = Callable[[str], None]


def ignore(problem: str) -> None:
    """For readers who need not know what is wrong."""


def read_yaml(file: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        OSError: it cannot be read.
        YAMLError, ValueError: it is no YAML, or no mapping.
    """
    return _options(yaml.load(file.read_bytes(), _Loader))


def read_config(directory: Path, say: Say) -> dict[str, Any]:
    """The config.yaml of a run directory by dotted names; `say` is told what is wrong with it."""
    try:
        return _by_section((directory / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError:
        say(f"{CONFIG} is missing")
    except (OSError, ValueError, yaml.YAMLError) as error:
        say(f"{CONFIG} cannot be read ({_why(error)})")
    return {}


def is_finished(directory: Path) -> bool:
    """Whether result.json says that the run is finished, which its first line does."""
    try:
        with (directory / RESULT).open("rb") as file:
            return FINISHED.match(file.read(200)) is not None
    except OSError:
        return False


def read_object(file: Path, say: Say = ignore, *, needed: bool = False) -> dict[str, Any] | None:
    """The JSON object in a file; None where there is none that can be read.

    `say` is told what is wrong with it, and with `needed` that it is missing.
    """
    try:
        found = _parsed(file.read_bytes())
        if isinstance(found, dict):
            return found
        say(f"{file.name} holds no JSON object")
    except FileNotFoundError:
        if needed:
            say(f"{file.name} is missing")
    except (OSError, ValueError, RecursionError) as error:
        say(f"{file.name} cannot be read ({_why(error)})")
    return None


def read_lines(file: Path, say: Say = ignore) -> Iterator[dict[str, Any]]:
    """The objects in a file of JSON lines; none where it is missing.

    Lines that are not whole are left out and reported, but for the last one, which may be about to be written.
    """
    damaged = 0
    try:
        with file.open("rb") as opened:
            for text in opened:
                found = whole_line(text)
                if found is not None:
                    yield found
                elif text.endswith(b"\n"):
                    damaged += 1
    except FileNotFoundError:
        return
    except OSError as error:
        say(f"{file} cannot be read ({_why(error)})")
    if damaged:
        say(f"{file}: {damaged} damaged line{'s' if damaged > 1 else ''} left out")


def last_line(file: Path) -> tuple[dict[str, Any] | None, str | None]:
    """The last whole line of a file of JSON lines, and a word on what is wrong at its end: torn, damaged, missing."""
    try:
        with file.open("rb") as opened:
            size = opened.seek(0, os.SEEK_END)
            opened.seek(max(0, size - TAIL))
            *whole, rest = opened.read().split(b"\n")
    except FileNotFoundError:
        return None, "is missing"
    except OSError as error:
        return None, f"cannot be read ({_why(error)})"
    problem = "ends in a torn line" if rest else None
    for text in reversed(whole):
        found = whole_line(text + b"\n")
        if found is not None:
            return found, problem
        problem = "has a damaged line at its end"
    return None, problem


def whole_line(text: bytes) -> dict[str, Any] | None:
    """The object of a line of JSON, its newline included; None where the line is not whole."""
    try:
        found = _parsed(text) if text.endswith(b"\n") else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _by_section(text: str) -> dict[str, Any]:
    """A config, flat. YAML is what takes the time, and the runs of a study share most sections to the letter."""
    try:
        flat = {key: value for section in SECTION.split(text) for key, value in _flat(section).items()}
    except (ValueError, yaml.YAMLError):
        flat = _flat(text)  # it may be whole nevertheless; else the message is about all of it
    return _options(flat or None)


@lru_cache(maxsize=4096)
def _flat(text: str) -> dict[str, Any]:
    return flatten(_options(yaml.load(text, _Loader) or {}))


def _options(loaded: Any) -> dict[str, Any]:
    if not isinstance(loaded, dict):
        raise ValueError("it holds no options")
    return loaded


def _parsed(text: bytes) -> Any:
    """The value of a JSON text, without halves of surrogate pairs, which no frame can hold."""
    found = json.loads(text)
    if b"\\ud" in text or b"\\uD" in text:
        found = json.loads(json.dumps(found, ensure_ascii=False).encode("utf-8", "replace"))
    return found


def _why(error: Exception) -> str:
    """What is wrong, on one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, yaml.MarkedYAMLError):
        where = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        return f"{error.problem}{where}"
    return one_line(error).rstrip(".")


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
