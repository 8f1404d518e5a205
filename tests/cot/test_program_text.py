"""Programs are taken apart and put together without changing what they compute."""

import ast

import pytest

from reft_lab.cot.program import HEADER, body, with_docstring

PLAIN = '''def solution():
    """How many?"""
    ducks = 16  # all of them
    sold = 3

    result = ducks - sold
    return result
'''
PLAIN_BODY = """    ducks = 16  # all of them
    sold = 3

    result = ducks - sold
    return result"""


def test_the_body_keeps_its_formatting() -> None:
    assert body(PLAIN) == PLAIN_BODY
    assert body(PLAIN.replace('    """How many?"""\n', "")) == PLAIN_BODY
    assert body(PLAIN + "\n\nprint(solution())\n") == PLAIN_BODY


def run(program: str) -> object:
    names: dict = {}
    exec(program, names)  # programs of this file only
    return names["solution"]()


@pytest.mark.parametrize(
    "program",
    [
        PLAIN,
        "def solution(): return 13",
        "def solution():\n  a = 16\n  # sold\n  return a - 3",
        "def solution():\n        a = 16\n        return a - 3",
        "def solution():\n\ta = 16\n\treturn a - 3",
        'def solution():\n    """Many\n\n    lines"""\n    # first\n    # second\n    return 13',
        'def solution():\n    """shared"""; a = 13\n    return a',
        "def solution():\n    'single'\n    return 13",
        "def solution():\n    'line\u2028separator and \x0c form feed'\n    x = 13\n    return x",
        "def solution():\r\n    'windows'\r\n    x = 13\r\n    return x",
        "def solution() -> int:\n    return 13",
        "def solution(\n):\n    # why\n    return 13",
        "import math\nTEN = 10\n\ndef more(x):\n    return x + math.pi // 1\n\n\ndef solution():\n    return more(TEN)",
        "def solution():\n    text = '''\nleft\n'''\n    return 13 if text == '\\nleft\\n' else 0",
        "def solution():\n    if True:\n        return 13\n    # the end\n\n\n",
    ],
)
def test_a_body_below_either_header_gives_the_same_answer(program: str) -> None:
    below = body(program)
    assert below.startswith("    ")
    assert not below.endswith("\n")
    assert run(program) == 13
    assert run(f"{HEADER}\n{below}\n") == 13
    assert run(with_docstring(HEADER, "How many?") + below) == 13


def test_comments_stay() -> None:
    assert body("def solution():\n    '''q'''\n    # first\n    # second\n    return 13  # third") == (
        "    # first\n    # second\n    return 13  # third"
    )


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("def solution(:", "not a Python program"),
        ("x = 5\0", "not a Python program"),
        ("x = 5", "does not define"),
        ("class A:\n    def solution():\n        return 1", "does not define"),
        ("def solution(x):\n    return x", "parameters"),
        ('def solution():\n    """Only words."""', "no body"),
    ],
)
def test_what_has_no_body_says_why(program: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        body(program)


@pytest.mark.parametrize(
    "question",
    [
        "How many?",
        'He said "stop"',
        '"',
        '""',
        '"""',
        '""""""x""',
        "a\\",
        '\\"',
        '\\"""',
        "C:\\new\\x41 \\u0041 \\",
        "two\nlines",
        "Janet’s 5 € {x} %s",
        "",
    ],
)
def test_any_question_is_the_docstring(question: str) -> None:
    text = with_docstring(HEADER, question) + "    return 13\n"
    function = ast.parse(text).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert ast.get_docstring(function, clean=False) == question


def test_an_ordinary_question_stands_as_it_is() -> None:
    assert with_docstring(HEADER, 'Is "7" odd? Yes') == 'def solution():\n    """Is "7" odd? Yes"""\n'
