"""Problems with programs that are hard to write for a tokenizer, and easy to learn by heart."""

from __future__ import annotations

import json
from pathlib import Path

from reft_lab.data import Problem

NAMES = ("Ann", "Ben", "Eve", "Joe")
THINGS = ("pens", "nuts", "eggs", "cards", "naïve €5 notes", "x")


def programs() -> list[Problem]:
    """24 problems whose programs have two levels of indentation, a comment, a string and signs beyond ASCII."""
    made = []
    for number in range(24):
        name, thing, a = NAMES[number % 4], THINGS[number // 4], 3 + number // 4
        question = f"{name} has {a} {thing} and buys 4 more. How many?"
        cot = (
            f'def solution():\n    """{question}"""\n    # {name}: "{thing}"\n    total = {a}\n    for more in [4]:\n'
            f"        total += more\n    return total"
        )
        made.append(Problem(f"p{number}", question, str(a + 4), cot, f"train.jsonl:{number + 1}"))
    return made


def write(file: Path, problems: list[Problem]) -> Path:
    """The problems as a file in the format of the paper's authors."""
    keys = ("item_id", "question", "answer_cot", "answer_value")
    rows = [dict(zip(keys, (p.id, p.question, p.cot, p.answer), strict=True)) for p in problems]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file
