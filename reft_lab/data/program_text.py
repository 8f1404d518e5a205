"""How a derived program is written: its frame, its docstring, its variable names."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Sequence

_RESERVED = frozenset(keyword.kwlist) | frozenset(dir(builtins)) | {"math", "result", "solution"}


def program(question: str, lines: Sequence[str], result: str) -> str:
    """The whole text of `solution`: the question as its docstring, `lines`, and `result` returned."""
    body = [f'"""{docstring(question)}"""', *lines, f"result = {result}", "return result"]
    return "def solution():\n    " + "\n    ".join(body)


def docstring(text: str) -> str:
    r'''`text` as it stands between triple quotes: backslashes, `"""` and a closing quote escaped.'''
    return re.sub(r'"(?=""|\Z)', r"\"", text.replace("\\", "\\\\"))


class Names:
    """Variable names of one program: valid, and each given out once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def new(self, wanted: str) -> str:
        """`wanted` made a valid name and, where that is taken, `wanted_2`, `wanted_3`, ..."""
        stem = re.sub(r"\W+", "_", wanted.lower(), flags=re.ASCII).strip("_") or "step"
        if stem[0].isdigit() or stem in _RESERVED:
            stem = f"num_{stem}"
        name, number = stem, 2
        while name in self._taken:
            name, number = f"{stem}_{number}", number + 1
        self._taken.add(name)
        return name
