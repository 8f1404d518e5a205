"""The fallback gives right answers, the same ones always."""

import random
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from reft_lab.programs import ProgramRunner
from reft_lab.programs.settings import ProgramsConfig

if TYPE_CHECKING:
    from reft_lab.programs.jail import JailWorker

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the jail needs Linux")

GOOD = "def solution():\n    return round(2.675, 2) + 40\n"
LOOP = "def solution():\n    while True: pass\n"


def returning(expression: str) -> str:
    return f"def solution():\n    return {expression}\n"


def with_sympy(expression: str) -> str:
    return f"from sympy import *\ndef solution():\n    x, y = symbols('x y')\n    return {expression}\n"


@pytest.fixture(scope="module")
def runner() -> Iterator[ProgramRunner]:
    with ProgramRunner(ProgramsConfig(fallback="jail", cache=0)) as runner:
        yield runner


LACKING = {
    "sympy": (with_sympy("solve(Eq(3 * x + 2, 11), x)[0]"), 3),
    "sympy, two unknowns": (with_sympy("solve([x + y - 10, x - 2 * y - 1], [x, y])[x]"), 7),
    "sympy, imported late": (with_sympy("Product(x, (x, 1, 5)).doit()"), 120),
    "sympy, imported later": (with_sympy("integrate(1 / (x**2 + 1), x).subs(x, 1) * 4"), 3.141592653589793),
    "sympy, by module": ("import sympy as sp\n" + returning("sp.Rational(1, 4) + sp.sqrt(16)"), 4.25),
    "sympy.stats": ("from sympy.stats import Die, E\n" + returning("E(Die('d', 6))"), 3.5),
    "fractions": ("from fractions import Fraction\n" + returning("Fraction(1, 3) + Fraction(1, 6)"), 0.5),
    "statistics": ("import statistics\n" + returning("statistics.mean([1, 2, 6])"), 3),
    "mpmath": ("import mpmath\n" + returning("mpmath.mpf(1) / 4"), 0.25),
    "generator": ("def g():\n    yield 1\n    yield from [2, 3]\n" + returning("sum(g())"), 6),
    "generator expression": (returning("next(n for n in range(50, 100) if n % 7 == 0)"), 56),
    "inheritance": (
        "class A:\n    def f(self): return 3\nclass B(A):\n    def f(self): return super().f() + 1\n"
        + returning("B().f()"),
        4,
    ),
    "own exception": (
        "class E(Exception): pass\n"
        "def solution():\n    try:\n        raise E(3)\n    except E as e:\n        return e.args[0]\n",
        3,
    ),
    "property": ("class A:\n    @property\n    def x(self): return 5\n" + returning("A().x"), 5),
    "del": ("def solution():\n    x = [1, 2]\n    del x[0]\n    return x[0]\n", 2),
    "wildcard": ("from math import *\n" + returning("sqrt(16)"), 4),
    "enum": ("from enum import IntEnum\nclass A(IntEnum):\n    x = 3\n" + returning("A.x"), 3),
    "method that the first engine lacks": (returning("(2.0).is_integer() + 6 .bit_length()"), 4),
    "deep recursion": ("def f(n): return 0 if n == 0 else 1 + f(n - 1)\n" + returning("f(900) + callable(f)"), 901),
    "dates": ("from datetime import *\n" + returning("datetime.strptime('2024-02-03', '%Y-%m-%d').day"), 3),
}


@pytest.mark.parametrize("name", LACKING)
def test_what_the_first_engine_cannot_run_gives_its_answer(name: str, runner: ProgramRunner) -> None:
    program, value = LACKING[name]
    result = runner.run([program])[0]
    assert (result.status, result.engine) == ("ok", "jail"), result
    assert result.value == pytest.approx(value, abs=1e-12)


def test_the_first_engine_keeps_what_it_can_run(runner: ProgramRunner) -> None:
    answers = runner.run([GOOD, "def solution(:", returning("None"), returning("'c'"), LOOP])
    assert [answer.status for answer in answers] == ["ok", "syntax_error", "no_answer", "ok", "timeout"]
    assert {answer.engine for answer in answers} == {"monty"}


@pytest.mark.parametrize(
    ("program", "value"),
    [
        (returning("True"), 1.0),
        (returning("2 ** 70"), float(2**70)),
        (returning("' $1,234.50 '"), 1234.5),
        (returning("'3, 4'"), None),
        (returning("'٣'"), None),
        (returning("[7]"), None),
        (returning("7j"), None),
        (returning("10 ** 400"), None),
        (returning("float('nan')"), None),
        ("from fractions import Fraction\n" + returning("Fraction(10 ** 400)"), None),
        ("from decimal import Decimal\n" + returning("Decimal('1.10')"), 1.1),
        ("from decimal import Decimal\n" + returning("Decimal('sNaN')"), None),
        ("from decimal import Decimal\n" + returning("Decimal('1E+999')"), None),
        (with_sympy("pi / pi + Float(2.5)"), 3.5),
        (with_sympy("x"), None),
        (with_sympy("I"), None),
        (with_sympy("oo"), None),
        (with_sympy("zoo"), None),
        (with_sympy("nan"), None),
        (with_sympy("solve(x - 1, x)"), None),
        (with_sympy("true"), None),
        ("class A(float): pass\n" + returning("A(3)"), 3.0),
        ("class A(float):\n    def __float__(self): return 7.0\n" + returning("A(3)"), 3.0),
        ("class A:\n    def __float__(self): return 7.0\n" + returning("A()"), None),
        ("class A:\n    __class__ = float\n    def __float__(self): return 7.0\n" + returning("A()"), None),
    ],
)
def test_what_counts_as_a_value(program: str, value: float | None, jail: "JailWorker") -> None:
    result = jail.run_alone(program)
    assert result.value == value
    assert result.status == ("no_answer" if value is None else "ok")


def test_option_letters(jail: "JailWorker") -> None:
    assert [jail.run_alone(returning(repr(text))).letter for text in ("c", " E ", "f")] == ["c", "e", None]


@pytest.mark.parametrize(
    ("program", "outcome", "detail"),
    [
        ("", "no_answer", "no solution"),
        ("def solution(:", "syntax_error", ""),
        ("def solution():\n    return 1 +\n", "syntax_error", ""),
        ("break\n", "syntax_error", ""),
        ("x" * 100_001, "syntax_error", "longer"),
        (returning("1 / 0"), "runtime_error", "ZeroDivisionError: division by zero"),
        (returning("ducks"), "runtime_error", "NameError"),
        (returning("vars(3)"), "runtime_error", "TypeError"),
        ("import math\n" + returning("math.ducks"), "runtime_error", "AttributeError"),
        (returning("exit()"), "runtime_error", "SystemExit"),
        ("import numpy as np\n" + returning("np.sum([1])"), "forbidden", "module numpy is not there"),
        (returning("open('/etc/passwd').read()"), "forbidden", "files"),
        ("import os\n" + returning("os.fork()"), "forbidden", "files"),
        ("try:\n    import numpy\nexcept ImportError:\n    pass\n" + returning("1"), "ok", ""),
        (returning("len([0] * 10 ** 8)"), "memory", "MemoryError"),
    ],
)
def test_statuses(program: str, outcome: str, detail: str, jail: "JailWorker") -> None:
    result = jail.run_alone(program)
    assert result.status == outcome
    assert detail in result.detail


def test_clock_and_seed_stand_still(jail: "JailWorker") -> None:
    clocks = (
        "import time, datetime\nstart = time.time() + time.monotonic() + time.mktime(time.localtime())\n"
        "def solution():\n    time.sleep(100)\n"
        "    today = datetime.date.today()\n    assert isinstance(datetime.datetime.now().date(), datetime.date)\n"
        "    assert datetime.datetime.now().year == today.year == int(time.strftime('%Y')) == 2024\n"
        "    return time.time() + time.monotonic() + time.mktime(time.localtime()) - start\n"
    )
    assert jail.run_alone(clocks).value == 0
    draw = "import random\n" + returning("random.random()")
    assert jail.run_alone(draw).value == random.Random(0).random()


@pytest.mark.parametrize(("workers", "batch"), [(1, 3), (2, 32)])
def test_order_batch_and_workers_change_nothing(runner: ProgramRunner, workers: int, batch: int) -> None:
    programs = [GOOD, *[program for program, _ in LACKING.values()]]
    programs += [returning(f"next(n for n in range({index}, 99) if n % 7 == 0)") for index in range(20)]
    programs += [
        "import sympy, random\n" + returning("random.random()"),
        "import sympy\n" + returning("sum(i * len(s) for i, s in enumerate({'a', 'bb', 'ccc', 'dddd', 'eeeee'}))"),
        "import sympy.core.random as r\n" + returning("r.random()"),
        "import decimal, fractions\ndecimal.getcontext().prec = 2\n" + returning("decimal.Decimal(1) / 3"),
        "import decimal, fractions\n" + returning("decimal.Decimal(1) / 3"),
        "import numpy\n" + returning("1"),
        "import statistics, os\n" + returning("os.getpid()"),
        "class A(int): pass\n" + returning("1 / 0"),
    ]
    expected = dict(zip(programs, runner.run(programs), strict=True))
    random.Random(workers).shuffle(programs)
    with ProgramRunner(ProgramsConfig(fallback="jail", workers=workers, batch=batch, cache=0)) as other:
        assert other.run(programs) == [expected[text] for text in programs]


def test_limits_come_from_the_config() -> None:
    from reft_lab.programs.jail import JailWorker

    deep = "def f(n): return 0 if n == 0 else 1 + f(n - 1)\n"
    small = JailWorker(ProgramsConfig(timeout=0.3, call_timeout=1, memory=16, recursion=100))
    try:
        start = time.perf_counter()
        assert small.run_alone(returning("1")).status == "ok"
        start = time.perf_counter()
        assert small.run_alone(LOOP).status == "timeout"
        assert 0.3 <= time.perf_counter() - start < 1
        assert small.run_alone(deep + returning("f(95)")).status == "ok"
        assert small.run_alone(deep + returning("f(2000)")).status == "runtime_error"
        assert small.run_alone(returning("len([0] * 1_000_000)")).status == "ok"
        assert small.run_alone(returning("len([0] * 4_000_000)")).status == "memory"
    finally:
        small.close()
