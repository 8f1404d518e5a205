"""Questions that a tiny model learns within a minute, whose gold programs are written in many ways."""

from __future__ import annotations

import json
import random
from pathlib import Path

COUNTS = {"train": 64, "dev": 16, "test": 16}
NAMES = ("have", "first", "pens")
OTHERS = ("got", "second", "more")


def write_sums(folder: Path) -> Path:
    """The folder, for `data.path`, in the format of the paper's authors."""
    folder.mkdir()
    dice = random.Random(0)
    for split, count in COUNTS.items():
        with (folder / f"{split}.jsonl").open("w") as file:
            for number in range(count):
                file.write(json.dumps(_record(f"{split}_{number}", dice)) + "\n")
    return folder


def _record(name: str, dice: random.Random) -> dict[str, object]:
    a, b = dice.sample(range(11, 99), 2)
    first, second = dice.choice(NAMES), dice.choice(OTHERS)
    lines = [f"{first} = {a}", f"{second} = {b}", f"result = {first} + {second}", "return result"]
    program = "def solution():\n    " + "\n    ".join(lines)
    return {
        "item_id": name,
        "question": f"Ann has {a} pens and gets {b} more. How many pens has Ann?",
        "answer_cot": program,
        "answer_value": float(a + b),
    }
