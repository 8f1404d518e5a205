"""The first complete program in a model's text."""

import json
import random
import time
from pathlib import Path

import pytest

from reft_lab.programs import extract

PLAIN = "def solution():\n    x = 3\n    return x\n"
WHOLE = (
    "import math\nfrom decimal import Decimal\n\nRATE = 0.5  # a rate\n\n\n"
    "def helper(x):\n    return x * RATE\n\n\n"
    'def solution():\n    """A question?\n\nIn two parts.\n"""\n    y = helper(4)\n\n'
    "    # a comment\n# one at the margin\n"
    "    z = (\n1 +\n2)\n    text = '''\nflush left\n'''\n\n    return y + z\n"
)


@pytest.mark.parametrize("program", [PLAIN, WHOLE])
@pytest.mark.parametrize(
    "after",
    [
        "",
        "\n\n\n",
        "\nThe answer is 4. It's easy (see above.\n",
        "The answer's 4.",
        "\ndef solution():\n    return 99\n",
        "\n\ndef helper(x):\n    return 99\n\ndef solution():\n    return helper(1)\n",
        "\nprint(solution())\n",
        "```\nDone: def solution(): return 99",
        "\n# done\nRATE = 99\n",
        "\nQuestion:\nAnother?\nAnswer reasoning:\ndef solution():\n    return 99\n",
        "    ```\n",
    ],
)
def test_text_after_the_program_is_dropped(program: str, after: str) -> None:
    assert extract(program + after) == program


@pytest.mark.parametrize("program", [PLAIN, WHOLE])
@pytest.mark.parametrize(
    "before",
    [
        "Here is a program:\n\n",
        "Let's see. It's 3 = 4?\nSure:\n",
        "```python\n",
        "Sure!\n```python\n",
        "```\nx = 99\n```\nAnd now better:\n```py\n",
    ],
)
def test_prose_and_fences_before_the_program_are_dropped(program: str, before: str) -> None:
    assert extract(before + program) == program
    assert extract(before + program + "```\nThat's it.\n") == program
    assert extract((before + program).replace("\n", "\r\n")) == program


def test_indented_prose_after_the_last_return_is_dropped() -> None:
    assert extract(PLAIN + "\n    So the answer is 3.\n") == PLAIN
    nested = "def solution():\n    if 1:\n        return 3\n    else:\n        return 4\n"
    assert extract(nested) == nested
    dead_but_code = "def solution():\n    return 3\n    x = 4\n"
    assert extract(dead_but_code) == dead_but_code


@pytest.mark.parametrize(
    "program",
    [
        "def solution(): return 3\n",
        "def solution(x0=16, x1=3):\n    return x0 - x1\n",
        "def solution(\n    a=1,\n    b=2,\n):\n    return a\n",
        "def solution() -> int:\n\treturn 3\n",
        "def solution():  # it's here: (\n    return 3\n",
        "def solution():\n    a = 'it\\'s' + \"(\" + '''don't\n(\n'''\n    return a\n",
        "def solution():\n    a = 1 + \\\n2\n    return a\n",
        'def solution():\n    """Say \\"""hi\\""" (now."""\n    return 3\n',
        "def solution():\n    def inner():\n        return 1\n\n    return inner()\n",
        "class A:\n    x = 1\n\n\n@decorate\ndef other():\n    pass\n\n\nx: int = 3\n\n\n" + PLAIN,
    ],
)
def test_complete_programs_come_back_as_they_are(program: str) -> None:
    assert extract(program) == program
    assert extract(program + "\nProse follows.\n") == program


def test_without_a_solution_the_text_stays() -> None:
    assert extract("x = 1\nprint(x)") == "x = 1\nprint(x)"
    assert extract("```python\nx = 1\n```") == "x = 1"
    assert extract("") == ""


def test_released_code_cuts_at_the_first_blank_line() -> None:
    assert extract("\n\ndef solution():\n    x = 3\n\n    return x\n", cut_at_blank_line=True) == (
        "def solution():\n    x = 3"
    )
    assert extract("def solution():\n    x = 3\n  \t\n    return x\n", cut_at_blank_line=True) == (
        "def solution():\n    x = 3"
    )
    assert extract("import math\n\n" + PLAIN, cut_at_blank_line=True) == "import math"


def test_gold_programs_come_back_with_anything_around_them(shared_data: Path) -> None:
    records = json.loads((shared_data / "svamp" / "svamp_python_sdp.json").read_text())
    for record in records:
        gold = record["answer_cot"].rstrip() + "\n"
        assert extract(gold) == gold
        assert extract(f"Sure, it's this:\n```python\n{gold}```\nIt's done.\ndef solution(): return 1") == gold


def test_it_never_raises() -> None:
    draw = random.Random(0)
    pieces = [
        "def solution():",
        "\n",
        "\n    ",
        "    ",
        "return 1",
        "'",
        '"""',
        "(",
        ")",
        "#",
        "\\",
        "```",
        "x = ",
        "\x00",
    ]
    pieces += ["\ud800", "\t", "\r\n", "def f():", "prose it's", "import math", "{", "]", "\f", "é", "class A:", "\n\n"]
    for _ in range(5000):
        text = "".join(draw.choices(pieces, k=draw.randint(0, 40)))
        once = extract(text)
        assert isinstance(once, str)
        assert "def solution" in once or "def solution" not in text.split("\n")
        assert extract(text, cut_at_blank_line=True) in text.replace("\r\n", "\n")


@pytest.mark.parametrize(
    "text",
    [
        PLAIN + "x\n" * 50_000,
        "word = a sentence\n" * 5_000 + PLAIN,
        "def solution():\n" + "    x = [\n" * 20_000,
        "def solution():\n    x = '''" + "\\'''" * 50_000,
        'def solution():\n    """' + "a" * 200_000,
        "def solution():\n    return " + "(" * 50_000,
        "(" * 50_000 + "\n" + PLAIN,
        "def solution():\n    x = '" + "\\a" * 100_000,
    ],
)
def test_long_texts_take_no_time(text: str) -> None:
    start = time.perf_counter()
    extract(text)
    assert time.perf_counter() - start < 1
