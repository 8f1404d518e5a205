"""Files of a run, read as far as they go: what is damaged is said, never raised."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from reft_lab.analysis.schema import flatten
from reft_lab.run_dir.saved import CONFIG

TAIL = 64 * 1024  # bytes at the end of metrics.jsonl that are sure to hold a whole line
SECTION = re.compile(r"^(?=\w+:)", re.MULTILINE)

Say = Callable[[str], None]


def read_config(directory: Path, say: Say) -> dict[str, Any]:
    """config.yaml, flat.

    Args:
        directory: the run directory.
        say: told what is wrong with it.
    """
    try:
        text = (directory / CONFIG).read_text(encoding="utf-8")
        return _by_section(text)
    except FileNotFoundError:
        say(f"{CONFIG} is missing")
    except (OSError, ValueError, yaml.YAMLError) as error:
        say(f"{CONFIG} cannot be read ({_why(error)})")
    return {}


def read_object(file: Path, say: Say, *, needed: bool) -> dict[str, Any] | None:
    """The JSON object in a file; None where there is none that can be read.

    Args:
        file: the file.
        say: told what is wrong with it.
        needed: whether it is wrong that it is missing.
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


def read_lines(file: Path, say: Say) -> Iterator[dict[str, Any]]:
    """The objects in a file of JSON lines; none where it is missing.

    Lines that are not whole are left out and said, but for the last one, which may be about to be written.
    """
    damaged = 0
    try:
        with file.open("rb") as opened:
            for text in opened:
                found = _line(text)
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
        found = _line(text + b"\n")
        if found is not None:
            return found, problem
        problem = "has a damaged line at its end"
    return None, problem


def _by_section(text: str) -> dict[str, Any]:
    """A config, flat. YAML is what takes the time, and the runs of a study share most sections to the letter."""
    try:
        flat = {key: value for section in SECTION.split(text) for key, value in _flat(section).items()}
    except (ValueError, yaml.YAMLError):
        flat = _flat(text)  # it may be whole nevertheless; else the message is about all of it
    if not flat:
        raise ValueError("it holds no options")
    return flat


@lru_cache(maxsize=4096)
def _flat(text: str) -> dict[str, Any]:
    loaded = yaml.load(text, _Loader)
    if not isinstance(loaded, dict | None):
        raise ValueError("it holds no options")
    return flatten(loaded or {})


def _line(text: bytes) -> dict[str, Any] | None:
    """The object of a line, None where it is not a whole one."""
    try:
        found = _parsed(text) if text.endswith(b"\n") else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


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
    return " ".join(str(error).split())[:120].rstrip(".")


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
