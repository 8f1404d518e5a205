"""`--json`, which every command of `reft` has: one JSON document on stdout, and nothing else there."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

from reft_lab.numbers import finite


def answer(command: Callable[[], Any], *, as_json: bool, takes_long: bool = False) -> Any:
    """What a command comes to: it prints that for people, and returns it for programs.

    Args:
        command: does it. What it returns can be JSON, but for numbers that are none and for paths.
        as_json: print what it returns alone; what it prints is left out.
        takes_long: show what it prints on stderr then, where one sees how far it is.
    """
    if not as_json:
        return command()
    with redirect_stdout(sys.stderr if takes_long else io.StringIO()):
        found = command()
    print(json.dumps(finite(found), indent=2, ensure_ascii=False, allow_nan=False, default=str))
    return found
