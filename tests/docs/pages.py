"""The pages of the documentation, taken apart."""

from __future__ import annotations

import re
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
PAGES = (
    REPO / "README.md",
    REPO / "CONTRIBUTING.md",
    REPO / "CHANGELOG.md",
    REPO / "AGENTS.md",
    *sorted((REPO / "docs").glob("*.md")),
)

_BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_CELL_END = re.compile(r"(?<!\\)\|")


def text_of(page: Path) -> str:
    """The text of a page."""
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return _BLOCK.sub("", text_of(page))


def blocks(page: Path, language: str = "") -> list[str]:
    """The code blocks of a page that are in `language`."""
    return [block["code"] for block in _BLOCK.finditer(text_of(page)) if block["language"] == language]


def code_spans(text: str) -> list[str]:
    """What stands between backticks in a text without code blocks."""
    return _CODE.findall(text)


def section(page: Path, heading: str) -> str:
    """The part of a page under a heading, down to the next heading of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text_of(page), re.MULTILINE | re.DOTALL)
    assert found is not None, f"{page.name} has no section {heading!r}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The rows of all tables in a text, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip().replace("\\|", "|") for cell in _CELL_END.split(line)[1:-1]] for line in lines]
    rules = {number for number, row in enumerate(cells) if all(re.fullmatch(r":?-+:?", cell) for cell in row)}
    return [row for number, row in enumerate(cells) if not {number, number + 1} & rules]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(prose(page)))
    return {heading.strip().replace(" ", "-") for heading in plain}


def commands(page: Path) -> list[str]:
    """The `python run.py ...` command lines of a page, without comments."""
    lines = [line for block in blocks(page) for line in block.splitlines()] + code_spans(prose(page))
    found = (re.match(r"(?:\.venv/bin/)?python (run\.py.*)", line.strip()) for line in lines)
    return [re.split(r"\s+#", match[1])[0].strip() for match in found if match]
