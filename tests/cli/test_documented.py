"""Every `reft ...` command in the documentation is one that `reft` takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from reft_lab.cli.app import app
from reft_lab.cli.where import read
from tests.docs.pages import PAGES, blocks, code_spans, prose


def commands(page: Path) -> list[str]:
    """The command lines of a page that begin with `reft`, without comments and redirections."""
    lines = [line for block in blocks(page) for line in block.splitlines()] + code_spans(prose(page))
    found = (re.fullmatch(r"(?:\.venv/bin/)?reft +([a-z].*)", line.strip()) for line in lines)
    return [re.split(r"\s+[#>]\s", match[1])[0].strip() for match in found if match]


COMMANDS = sorted({command for page in PAGES for command in commands(page)})


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_documentation_is_understood(command: str) -> None:
    reft = get_command(app)
    name, *words = shlex.split(command)
    taken = reft.get_command(None, name)
    assert taken is not None, f"there is no reft {name}"
    if not words or "--help" in words:  # a name in a sentence
        return
    given = taken.make_context(name, words).params
    for condition in given.get("where") or []:
        read(condition)


def test_there_are_commands_to_try() -> None:
    assert {command.split()[0] for command in COMMANDS} >= {"runs", "compare", "report", "dashboard"}
